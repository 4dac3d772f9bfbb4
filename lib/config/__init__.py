"""Turns INI text into Settings or every problem, pure; test_architecture.py lists what it may import."""
