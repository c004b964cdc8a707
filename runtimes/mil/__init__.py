"""Runs the program inside a Core ML package with torch, on any platform."""
