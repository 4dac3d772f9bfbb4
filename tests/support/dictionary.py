"""The attributes and values of the plugin's RADIUS dictionary, read without the plugin's own search."""

import pkgutil

TEXT = (pkgutil.get_data("lib.radius", "dictionary") or b"").decode("ascii")
LINES = [line.split("\t") for line in TEXT.splitlines() if line and not line.startswith("#")]
NAMES = [line[1] for line in LINES if line[0] == "ATTRIBUTE"]
VALUES = [(line[1], line[2], int(line[3])) for line in LINES if line[0] == "VALUE"]


def number_of(vendor: int, number: int) -> str:
    """Return how a configuration writes an attribute by number."""
    return f"26.{vendor}.{number}" if vendor else str(number)
