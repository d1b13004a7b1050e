"""The pipeline: verbs are stages, nouns are workshops."""
