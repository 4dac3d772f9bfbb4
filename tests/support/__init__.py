"""Servers, peers, clients, certificates and helpers for the tests."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
"""The root of the repository."""
