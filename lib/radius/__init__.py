"""A RADIUS client that knows nothing of SPS.

Packets and the schedule are pure; sockets are in `transport` and used by `client`. Importing pyrad takes time, so only
hooks that talk RADIUS import `packet` and what builds on it. May also import: nothing.
"""
