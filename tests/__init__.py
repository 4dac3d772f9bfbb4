"""All tests; measures coverage in each process that imports them."""

import importlib
import os

if "COVERAGE_PROCESS_START" in os.environ:  # here, before anything imports lib
    importlib.import_module("coverage").process_startup()
