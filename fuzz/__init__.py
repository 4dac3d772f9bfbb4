"""Fuzzing of what a server may send: `fuzz/run.sh`."""
