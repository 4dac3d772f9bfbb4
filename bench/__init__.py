"""Measurements: `python3 -m bench`."""
