"""The care of an installation: what an operator asks for when something is wrong, or before it is."""
