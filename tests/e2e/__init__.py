"""Tests of the built zip: hooks, FreeRADIUS, radsecproxy, ssh, telnet, the command line, the demo."""
