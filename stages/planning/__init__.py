"""A plan in numbers: what a corpus will cost, before it is begun."""
