"""`options`: the declarations of every option, as text, as the README's table or as default.cfg."""

import argparse
import sys

from . import listing
from .console import encodable


def run(options: argparse.Namespace) -> int:
    """Print the list; return the exit status."""
    made = {"text": listing.plain_text, "markdown": listing.markdown_table, "cfg": listing.default_cfg}
    sys.stdout.write(encodable(made[options.format](), sys.stdout))
    return 0
