"""What must hold of any text as a configuration: it makes settings or errors, and no text of a problem has a secret.

Inputs use SECRET as a value; the Credential Store has it, too.
"""

from typing import Iterator, Optional

from lib.cli import check
from lib.config.build import build
from lib.config.ini import Problem, line_of, parse_ini
from lib.config.reader import MAX_PROBLEMS
from lib.config.sdk_sections import sdk_text

MAX_INPUT = 4096
SECRET = "hunter2"


def read(octets: bytes) -> None:
    """Read text as the plugin and as `check` do."""
    text = octets.decode("utf-8", "replace")
    ini = parse_ini(text)
    settings, problems = build(ini, stored, trusted)
    assert (settings is None) == any(problem.error for problem in problems), "neither settings nor errors, or both"
    assert SECRET not in repr(settings.servers if settings else ()), "a server shows its secret"
    assert len(problems) <= MAX_PROBLEMS + 1, "problems without end"
    for problem in problems:
        assert SECRET not in problem.text, f"a problem shows a value: {problem.text}"
        assert 0 <= line_of(problem, ini.places) <= text.count("\n") + 1, "a line that does not exist"
    sdk_text(ini)
    found = check.findings(text)
    assert all(SECRET not in finding.text for finding in found), "a finding shows a value"
    errors = {finding[3:] for finding in found if finding.level == check.ERROR}
    assert {problem[1:4] for problem in errors_of_file(text)} <= errors, "`check` finds less than the plugin"
    lines = text.split("\n")
    for finding in found:
        assert 0 <= finding.column <= len(lines[finding.line - 1]), "a column that does not exist"
    check.report("file", found)


def errors_of_file(text: str) -> Iterator[Problem]:
    """Yield the errors of a configuration whose look-ups succeed."""
    _, problems = build(parse_ini(text), stored, trusted)
    for problem in problems:
        if problem.error and SECRET not in text and "$" not in text:
            yield problem


def stored(section: str, option: str) -> Optional[str]:
    """Return what the Credential Store has for everything."""
    return SECRET


def trusted(name: str) -> Optional[str]:
    """Return nothing: SPS has no such list."""
    return None
