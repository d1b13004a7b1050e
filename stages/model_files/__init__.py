"""Model references, and how their files get here."""
