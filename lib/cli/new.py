"""`new`: prints the configuration for a product."""

import argparse
import sys
from typing import List

from . import exit_status
from .check import NOTE, findings
from .console import EndOfInput, NoTerminal, ask, encodable
from .exit_status import CommandError
from .presets import DEFAULT_STORE, PRESETS, configuration


def run(options: argparse.Namespace) -> int:
    """Print a configuration, ask on the terminal for what the arguments lack, and return the exit status."""
    name, servers, store = options.product, options.server, options.store
    if name is None:
        try:
            name = _asked_product()
            servers = servers or _asked_servers(name)
            store = store or ask(f"Credential Store with the shared secret [{DEFAULT_STORE}]: ", False).strip()
        except NoTerminal:
            raise CommandError(f"name a product: {', '.join(PRESETS)}") from None
        except EndOfInput:
            raise CommandError("the input ended before the last answer") from None
    text = configuration(PRESETS[name], servers or (), store or DEFAULT_STORE, options.port)
    for found in findings(text):
        if found.level != NOTE:
            raise CommandError(f"[{found.section}] {found.option}: {found.text}")
    sys.stdout.write(encodable(text, sys.stdout))
    return exit_status.OK


def _asked_product() -> str:
    width = max(map(len, PRESETS))
    lines = [f"  {name:{width}}  {preset.product}\n" for name, preset in PRESETS.items()]
    prompt = "Products:\n" + "".join(lines) + "Product: "
    while True:
        answer = ask(prompt, False).strip().lower()
        if answer in PRESETS:
            return answer
        prompt = "Type one of the names in the first column: "


def _asked_servers(product: str) -> List[str]:
    prompt = f"RADIUS servers, separated by blanks [{PRESETS[product].server}]: "
    return ask(prompt, False).replace(",", " ").split()
