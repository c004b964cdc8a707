"""What a file computes on the way: every tensor between image and mask, one module a format."""
