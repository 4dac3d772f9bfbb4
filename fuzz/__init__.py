"""Fuzzing of what comes from outside: replies, configurations and cookies. `fuzz/run.sh` runs it.

Each module is a target: `read` tries one input, raises AssertionError if a rule does not hold, and lets any other
exception out. `MAX_INPUT` limits the octets of an input. The first inputs of a target are in its folder of `corpus`.
"""
