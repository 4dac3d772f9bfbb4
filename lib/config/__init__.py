"""Turns INI text into Settings, or reports every problem, pure.

May also import: radius.attributes, radius.server, recovery_code.
"""
