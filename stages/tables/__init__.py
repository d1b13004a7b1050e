"""The tables that stages hand to one another, and how files are read and written whole."""
