"""The options as documents: tables for docs/configuration.md, default.cfg, and text for a terminal."""

import textwrap
from typing import Container, List

from ..config.options import SECTIONS, Option, Section

_HEADER = """\
# RADIUS multi-factor login. Required: [radius] server and secret.
# A line that begins with ; shows a default or an example. More: the plugin's README.
# An option set to $ is read from the Credential Store named below
# (host = the section, user = the option).
"""
_AS_SHIPPED = {"secret": "$"}  # where it should be kept
_WITHOUT_WORDS = ("messages",)  # their names and texts say enough


def markdown_table(names: Container[str] = ()) -> str:
    """Return the table of every option, or of those of the sections with these names."""
    rows = ["| Section | Option | Default | Values | Meaning |", "| --- | --- | --- | --- | --- |"]
    for section in SECTIONS:
        if names and section.name not in names:
            continue
        if section.open:
            rows.append("| `[{}]` | *your own* | | | {} |".format(section.name, section.open))
        elif section.first:
            rows.append(
                "| `[{}]` | `{}` to `{}` | those of `[{}]` | | Further servers, N from 2. |".format(
                    section.name, section.options[0].name, section.options[-1].name, section.first
                )
            )
        else:
            rows += [_row(section, option) for option in section.options]
    return "\n".join(rows) + "\n"


def default_cfg() -> str:
    """Return default.cfg: every option that does something, commented, with its default."""
    blocks = [_HEADER]
    for section in SECTIONS:
        options = [option for option in section.options if not option.ignored]
        if section.first or not (options or section.example):
            continue
        lines = ["[{}]".format(section.name.replace("_N", "_1"))]
        lines += ["; " + line for line in section.example]
        for option in options:
            if section.name not in _WITHOUT_WORDS:
                lines.append("# " + option.help)
            lines.append(_setting(option))
        if section.name == "question_N":  # it would be half a question
            lines[0] = "; " + lines[0]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def plain_text() -> str:
    """Return every option with its default, its values and its meaning, for a terminal."""
    blocks = []
    for section in SECTIONS:
        lines = ["[{}]".format(section.name)]
        if section.open:
            lines += _indented(section.open, 2)
        elif section.first:
            lines += _indented("Further servers, N from 2. What is not set is that of [{}].".format(section.first), 2)
        for option in () if section.first else section.options:
            default = "required" if option.required else "default: " + (option.default or "none")
            lines.append("  {}  ({}; {})".format(option.name, option.kind.expects, default))
            lines += _indented(option.help, 6)
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _indented(text: str, by: int) -> List[str]:
    return textwrap.wrap(text, 100, initial_indent=" " * by, subsequent_indent=" " * by, break_long_words=False)


def _row(section: Section, option: Option) -> str:
    default = "**required**" if option.required else "`{}`".format(option.default) if option.default else ""
    if option.tls_default:
        default += ", with tls `{}`".format(option.tls_default)
    return "| `[{}]` | `{}` | {} | {} | {} |".format(
        section.name, option.name, default, option.kind.expects, option.help
    )


def _setting(option: Option) -> str:
    if option.required:
        return "{}={}".format(option.name, _AS_SHIPPED.get(option.name, ""))
    return "; {}={}".format(option.name, option.default)
