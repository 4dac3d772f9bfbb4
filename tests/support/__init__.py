"""What the tests are made with: servers, peers, clients, certificates and helpers."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
"""The path of this tree."""
