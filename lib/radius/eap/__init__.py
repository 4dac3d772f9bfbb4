"""The tunneled methods EAP-TTLS and PEAP, pure: octets in, octets out; TLS runs in memory.

Loaded only if a server has such an `auth_type`; `login` is the entry.
May also import: radius.mschap, radius.server, radius.transport.
"""
