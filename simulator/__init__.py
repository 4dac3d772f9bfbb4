"""A stand-in for SPS and an embedded RADIUS server, for the demo and the tests; not in the zip."""
