"""Contrastive training of a sentence encoder."""
