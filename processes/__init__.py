"""Running something in a child: messages, limits, sandbox, and its end."""
