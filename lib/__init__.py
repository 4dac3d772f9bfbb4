"""RADIUS multi-factor login for One Identity Safeguard for Privileged Sessions."""

__version__ = "4.0.0"
