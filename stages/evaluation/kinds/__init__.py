"""How each kind of task turns vectors into a score."""
