"""The command line: thin wrappers, logging and progress."""
