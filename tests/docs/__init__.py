"""Tests of the documents: their examples run, and their lists match the code."""
