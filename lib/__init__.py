"""RADIUS multi-factor login for One Identity Safeguard for Privileged Sessions.

The docstring of each package names what its modules may also import. Every module may import: log_line, log_lines,
namedtuple, reasons, secret, text.
"""

__version__ = "4.0.0"
