"""Experiments as declared things: what is varied, what is read off, what the paper claims."""
