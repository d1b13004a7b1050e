"""Sentence files and graded pairs."""
