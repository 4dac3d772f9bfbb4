"""Turns INI text into Settings or every problem, pure; may import lib.reasons, lib.radius.server and .attributes."""
