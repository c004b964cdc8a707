"""What a file says of itself: names, shapes, types, operators, and what is needed to load it."""
