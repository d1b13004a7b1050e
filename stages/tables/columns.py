"""Names of columns that every stage knows; nothing is imported, so that commands start fast."""

WRITTEN = ("entailment", "contradiction")
"""What the language model writes for a premise, by the column it stands in."""
TEXTS = ("premise", *WRITTEN)
"""The texts of a triplet, in the order in which the loss takes their vectors."""
