"""Sentence encoders: loading and embedding."""
