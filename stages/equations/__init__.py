"""Pure mathematics: one function per formula, no input, output, parameters or logging."""
