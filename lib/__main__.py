"""What `python3 SPS_RADIUS-<version>.zip` runs: the build puts this file at the zip's root. SPS has no use for it."""

import sys

if sys.version_info < (3, 6):
    sys.exit("Python 3.6 or newer is needed; this is " + sys.version.split()[0])

from lib.cli import main  # an older Python cannot even read it

if __name__ == "__main__":
    sys.exit(main())
