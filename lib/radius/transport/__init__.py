"""The transports: UDP, and TLS with TCP; and name resolution."""
