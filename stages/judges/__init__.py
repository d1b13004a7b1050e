"""Who says how similar two sentences are, how several become one, and how far to trust them."""
