"""`recovery-codes`: makes recovery codes for a user, and the lines of the configuration that accept them."""

import argparse
import json
import os
import sys

from ..recovery_code import new_code, new_hash
from . import exit_status
from .console import Console, encodable
from .exit_status import CommandError


def run(options: argparse.Namespace) -> int:
    """Print new codes and their lines, and return the exit status."""
    if not options.json and encodable(options.name, sys.stdout) != options.name:
        # The line would be for another name.
        raise CommandError(f"cannot show the name in the encoding {sys.stdout.encoding}: use a UTF-8 locale or --json")
    codes = [new_code(os.urandom) for _ in range(options.count)]
    lines = [f"{options.name} = {new_hash(code, os.urandom)}" for code in codes]
    shown = [code.reveal() for code in codes]
    say = Console().say
    if options.json:
        say(json.dumps({"user": options.name, "codes": shown, "lines": lines}, indent=2, sort_keys=True))
        return exit_status.OK
    say(f"Recovery codes for {options.name}. Each works once. Print them now: they are not stored anywhere.")
    say()
    for code in shown:
        say(f"    {code}")
    say()
    say("Add these lines to the configuration of the plugin. They do not reveal the codes.")
    say()
    for line in ["[recovery_codes]", *lines]:
        say(line)
    return exit_status.OK
