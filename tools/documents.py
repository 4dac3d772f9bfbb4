"""Writes default.cfg and the tables in docs/ anew from the declarations in lib: `python3 -m tools.documents`."""

import pathlib
import sys
from typing import Dict, Mapping, Tuple

from lib import __version__, reasons
from lib.cli import check, listing

ROOT = pathlib.Path(__file__).resolve().parent.parent
README, DEFAULT_CFG = ROOT / "README.md", ROOT / "default.cfg"
CONFIGURATION, TROUBLESHOOTING = ROOT / "docs" / "configuration.md", ROOT / "docs" / "troubleshooting.md"

OPTIONS: Mapping[str, Tuple[str, ...]] = {
    "servers": ("radius", "radius_N"),
    "questions": ("auth", "challenge_answers", "question_N"),
    "names": (
        "username",
        "usermapping source=explicit",
        "usermapping source=ldap_server",
        "username_transform",
        "ignore_upn_suffix_for_rdp",
        "ldap_server",
    ),
    "groups": ("gateway_groups", "gateway_groups map"),
    "attributes": ("radius_attributes", "radius_dictionary"),
    "accounting": ("accounting", "accounting_N"),
    "lockout": ("lockout",),
    "without RADIUS": ("whitelist source=user_list", "whitelist source=ldap_server_group", "authentication_cache"),
    "connection limit": ("connection_limit by=client_ip_gateway_user",),
    "messages": ("messages",),
    "rest": ("credential_store", "logging", "https-proxy"),
}
"""The blocks of docs/configuration.md, and the sections whose options each of them lists."""

EXAMPLE = """\
[radius]
server=radius.example.com
secret=xyzzy5461
conn_timout=20
[auth]
max_attempts=0
"""

_END = "<!-- end -->"


def example() -> str:
    """Return what `check` says of a configuration, as at a terminal."""
    said = "\n".join(check.report("radius.cfg", check.findings(EXAMPLE)))
    command = "python3 SPS_RADIUS-{}.zip check radius.cfg".format(__version__)
    return "```\n$ cat radius.cfg\n{}$ {}\n{}\n```\n".format(EXAMPLE, command, said)


def updated(text: str, blocks: Mapping[str, str]) -> str:
    """Return a document's text with each of its marked blocks made anew; raise ValueError if a mark is missing."""
    for name, table in blocks.items():
        mark = "<!-- {}: made by tools/documents.py -->\n".format(name)
        before, found, rest = text.partition(mark)
        _, ended, after = rest.partition(_END)
        if not (found and ended):
            raise ValueError("no block {}".format(name))
        text = before + mark + "\n" + table + "\n" + _END + after
    return text


def denials_table() -> str:
    """Return the table of the reasons for a DENY."""
    rows = ["| Code | The user reads | What happened | What to do |", "| --- | --- | --- | --- |"]
    rows += [f"| `{each.code}` | {each.text} | {each.meaning} | {each.remedy} |" for each in reasons.DENIALS.values()]
    return "\n".join(rows) + "\n"


def blocks() -> Dict[pathlib.Path, Dict[str, str]]:
    """Return for each document the names and contents of its blocks."""
    return {
        README: {"check": example()},
        CONFIGURATION: {name: listing.markdown_table(sections) for name, sections in OPTIONS.items()},
        TROUBLESHOOTING: {"denials": denials_table()},
    }


def main() -> int:
    """Rewrite the documents and default.cfg; return the exit status."""
    DEFAULT_CFG.write_text(listing.default_cfg(), encoding="utf-8")
    for path, tables in blocks().items():
        path.write_text(updated(path.read_text(encoding="utf-8"), tables), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
