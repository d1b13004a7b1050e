"""Scores of sentence encoders on graded pairs."""
