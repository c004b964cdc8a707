"""What one run of a file costs, read from the file: multiply-accumulates, weights, operations."""
