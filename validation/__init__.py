"""How far a file is from the reference."""
