"""The program that `python3 SPS_RADIUS-<version>.zip` runs: the build puts this file at the root of the zip."""

import sys

if sys.version_info < (3, 6):
    sys.exit("Python 3.6 or newer is needed; this is " + sys.version.split()[0])

from lib.cli.main import main  # its syntax is that of Python 3.6

if __name__ == "__main__":
    sys.exit(main())
