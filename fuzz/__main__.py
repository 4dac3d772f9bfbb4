"""Runs atheris: `python -m fuzz TARGET`, with libFuzzer's arguments (https://llvm.org/docs/LibFuzzer.html)."""

import importlib
import sys

import atheris

target_name = sys.argv.pop(1)
with atheris.instrument_imports(include=["lib"]):
    target = importlib.import_module("fuzz." + target_name)

# For one input, in seconds (generous, since the targets run side by side), MiB and octets
LIMITS = ["-timeout=60", "-rss_limit_mb=512", f"-max_len={target.MAX_INPUT}"]

SPEED = ["-entropic_scale_per_exec_time=1"]  # otherwise the longest inputs take most of the time


def read(octets: bytes) -> None:
    """Check one input; atheris keeps it if this raises."""
    target.read(octets)


atheris.Setup(sys.argv[:1] + LIMITS + SPEED + sys.argv[1:], read)
atheris.Fuzz()
