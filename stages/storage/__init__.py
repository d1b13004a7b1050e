"""Files elsewhere: inputs and finished work by address, over fsspec."""
