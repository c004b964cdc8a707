"""What is in a file of any known format, ours or not, and what takes it."""
