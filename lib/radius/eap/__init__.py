"""The tunnelled methods EAP-TTLS and PEAP, pure: octets in, octets out; TLS runs in memory.

Loaded only if a server has such an `auth_type`. May import: mschap, server, and the certificates of `transport`.
"""
