"""Converters, one module a format, and the run that shares their work."""
