"""A RADIUS client: pure packet and exchange logic, with sockets only at the edge.

Nothing in here knows the Plugin SDK or the login conversation, and nothing is imported before it is needed:
importing pyrad costs more than a hook that does not talk RADIUS should pay.
"""
