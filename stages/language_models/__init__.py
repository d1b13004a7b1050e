"""Writing and judging with language models."""
