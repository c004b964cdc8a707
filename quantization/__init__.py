"""Calibration sets for quantised targets."""
