"""The transports: UDP, and TLS with TCP; and name resolution.

May also import: radius.packet, radius.radius11, radius.server.
"""
