"""Transports: octets to a server and back."""
