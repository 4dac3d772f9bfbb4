"""Updates default.cfg, and the tables and examples in the documents, from lib: `python -m tools.documents`."""

import ast
import logging
import pathlib
import re
import sys
from typing import Container, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Tuple, Union

from lib import __version__, log_lines, reasons
from lib.cli import check
from lib.cli.presets import PRESETS, configuration
from lib.config.option import Option, Section
from lib.config.options import SECTIONS

ROOT = pathlib.Path(__file__).resolve().parent.parent
README, DEFAULT_CFG = ROOT / "README.md", ROOT / "default.cfg"
LOG_LINES = ROOT / "lib" / "log_lines.py"
CONFIGURATION, TROUBLESHOOTING = ROOT / "docs" / "configuration.md", ROOT / "docs" / "troubleshooting.md"
SERVERS = ROOT / "docs" / "servers"

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
    "recovery codes": ("recovery_codes",),
    "without RADIUS": ("whitelist source=user_list", "whitelist source=ldap_server_group", "authentication_cache"),
    "connection limit": ("connection_limit by=client_ip_gateway_user",),
    "messages": ("messages",),
    "rest": ("credential_store", "logging", "https-proxy"),
}
"""The blocks of docs/configuration.md, and the sections in each of them."""

EXAMPLE = """\
[radius]
server=radius.example.com
secret=xyzzy5461
conn_timout=20
[auth]
max_attempts=0
"""

_END = "<!-- end -->"

_HEADER = """\
# RADIUS multi-factor login. Required: [radius] server and secret.
# Lines that begin with ; show defaults or examples. See the plugin's README.
# An option set to $ is read from the Credential Store named below
# (host = the section, user = the option).
"""
_FIRST = ("credential_store", "auth", "radius")
"""The sections at the top of default.cfg. No section can be given twice, so only the last can go on below the rule."""
_BEFORE_THE_RULE = ("server", "secret", "conn_timeout")
"""The options of the last section that come first."""
_RULE = f"\n# {' Most configurations need nothing below; [radius] continues ':-^76}\n"
_SHIPPED_VALUES = {"secret": "$"}  # it belongs in the Credential Store
_WITHOUT_HELP = ("messages",)  # the names and defaults are clear enough


def example() -> str:
    """Return the block with the output of `check` for a configuration."""
    output = "\n".join(check.report("radius.cfg", check.findings(EXAMPLE)))
    command = f"python3 SPS_RADIUS-{__version__}.zip check radius.cfg"
    return f"```\n$ cat radius.cfg\n{EXAMPLE}$ {command}\n{output}\n```\n"


def markdown_table(names: Container[str] = ()) -> str:
    """Return the table of the options in the sections with these names, by default in all sections."""
    rows = ["| Section | Option | Default | Values | Meaning |", "| --- | --- | --- | --- | --- |"]
    for section in SECTIONS:
        if names and section.name not in names:
            continue
        if section.open:
            rows.append(f"| `[{section.name}]` | *your own* | | | {section.open} |")
        elif section.first:
            options = f"`{section.options[0].name}` to `{section.options[-1].name}`"
            rows.append(
                f"| `[{section.name}]` | {options} | those of `[{section.first}]` | | Further servers, N from 2. |"
            )
        else:
            rows += [_row(section, option) for option in section.options]
    return "\n".join(rows) + "\n"


def default_cfg() -> str:
    """Return default.cfg: every option that has an effect, commented out, with its help and its default."""
    sections = {section.name: section for section in SECTIONS}
    rest = [name for names in OPTIONS.values() for name in names if name not in _FIRST]
    blocks = [_section(sections[name]) for name in (*_FIRST, *rest)]
    return "\n".join([_HEADER, *filter(None, blocks)])


def _section(section: Section) -> str:
    """Return a section of default.cfg, empty if it has nothing to show."""
    options = [option for option in section.options if not option.ignored]
    if section.first or not (options or section.example):
        return ""
    lines = [f"[{section.name.replace('_N', '_1')}]"]
    lines += ["# " + section.open.split(". ")[0].rstrip(".") + "."] if section.open else []
    lines += ["; " + line for line in section.example]
    if section.name == _FIRST[-1]:
        first = [option for option in options if option.name in _BEFORE_THE_RULE]
        lines += [*_settings(section, first), _RULE]
        options = [option for option in options if option not in first]
    return "\n".join([*lines, *_settings(section, options)]) + "\n"


def _settings(section: Section, options: Sequence[Option]) -> Iterator[str]:
    for option in options:
        if section.name not in _WITHOUT_HELP:
            yield "# " + option.help
        yield _setting(option)


def _row(section: Section, option: Option) -> str:
    default = "**required**" if option.required else f"`{option.default}`" if option.default else ""
    if option.tls_default:
        default += f", with tls `{option.tls_default}`"
    return f"| `[{section.name}]` | `{option.name}` | {default} | {option.kind.expects} | {option.help} |"


def _setting(option: Option) -> str:
    if option.required:
        return f"{option.name}={_SHIPPED_VALUES.get(option.name, '')}"
    return f"; {option.name}={option.default}"


def updated(text: str, blocks: Mapping[str, str], maker: str = "tools/documents.py") -> str:
    """Return the text of a document with new contents for its blocks; raise ValueError if a block is missing."""
    for name, table in blocks.items():
        mark = f"<!-- {name}: made by {maker} -->\n"
        before, found, rest = text.partition(mark)
        _, ended, after = rest.partition(_END)
        if not (found and ended):
            raise ValueError(f"no block {name}")
        text = before + mark + "\n" + table + "\n" + _END + after
    return text


def denials_table() -> str:
    """Return the table of the reasons for a DENY."""
    rows = ["| Code | The user reads | What happened | What to do |", "| --- | --- | --- | --- |"]
    rows += [f"| `{each.code}` | {each.text} | {each.meaning} | {each.remedy} |" for each in reasons.DENIALS.values()]
    return "\n".join(rows) + "\n"


class LogLine(NamedTuple):
    """A declaration in lib/log_lines.py: its name and table, its level and whole text, and its description, if any."""

    name: str
    table: str
    level: int
    text: str
    description: str


def declared_log_lines() -> List[LogLine]:
    """Return the declarations of lib/log_lines.py: what a comment there heads is a table."""
    source = LOG_LINES.read_text(encoding="utf-8")
    statements = ast.parse(source).body
    found = []
    for statement, following in zip(statements, statements[1:] + [ast.Pass()]):
        name = getattr(statement.targets[0], "id", "") if isinstance(statement, ast.Assign) else ""
        declared = getattr(log_lines, name, None)
        if not isinstance(declared, (log_lines.Line, log_lines.Cause)):
            continue
        description = ast.literal_eval(following.value) if isinstance(following, ast.Expr) else ""
        headings = [line[2:] for line in source.splitlines()[: statement.lineno] if line.startswith("# ")]
        level, text = _whole(declared)
        found.append(LogLine(name, headings[-1], level, text, " ".join(description.split())))
    return found


def _whole(declared: Union[log_lines.Line, log_lines.Cause]) -> Tuple[int, str]:
    """Return the level and the text of a line, with this cause in its place."""
    if isinstance(declared, log_lines.Line):
        return declared.level, declared.text
    level, text = _whole(declared.within)
    return level, text.replace("{cause}", declared.text)


def log_tables() -> Dict[str, str]:
    """Return the table of the log lines under each heading."""
    tables: Dict[str, str] = {}
    for line in declared_log_lines():
        rows = tables.setdefault(f"log: {line.table}", "| Level | The log says | Explanation |\n| --- | --- | --- |\n")
        if line.description:
            text = re.sub(r"\{(\w+):[^}]*\}", r"{\1}", line.text)
            code = f"`` {text} ``" if "`" in text else f"`{text}`"
            rows += f"| {logging.getLevelName(line.level).lower()} | {code} | {line.description} |\n"
        tables[f"log: {line.table}"] = rows
    return tables


def presets(page: str) -> Dict[str, str]:
    """Return the configurations on a page in docs/servers/."""
    found = {name: preset for name, preset in PRESETS.items() if preset.page == page}
    return {f"preset {name}": f"```ini\n{configuration(preset)}```\n" for name, preset in found.items()}


def blocks() -> Dict[pathlib.Path, Dict[str, str]]:
    """Return the names and contents of the blocks of each document."""
    return {
        README: {"check": example()},
        CONFIGURATION: {name: markdown_table(sections) for name, sections in OPTIONS.items()},
        TROUBLESHOOTING: {"denials": denials_table(), **log_tables()},
        **{path: presets(path.stem) for path in sorted(SERVERS.glob("*.md"))},
    }


def main() -> int:
    """Write the documents and default.cfg, and return the exit status."""
    DEFAULT_CFG.write_text(default_cfg(), encoding="utf-8")
    for path, tables in blocks().items():
        path.write_text(updated(path.read_text(encoding="utf-8"), tables), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
