"""Tests over loopback: sockets, scripted peers, and files that several processes share."""
