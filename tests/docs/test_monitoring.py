"""The lines and rules in docs/monitoring.md: lines that the plugin logs, and rules that match them and no forgery."""

import re
from typing import List, Pattern

from lib import log_lines, reasons
from lib.login.state import State
from lib.session import SessionRecord, login_facts
from tests.support import ROOT

DOCUMENT = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?ms)^```\n(.*?)\n```$", DOCUMENT)
LOCKED, RECOVERED, BROKEN = (re.compile(block) for block in BLOCKS[1:4])
ALICE = SessionRecord(
    0.0, "192.0.2.10", server="192.0.2.1:1812", method="pap", protocol="ssh", connection_name="bastion"
)


def denied(user: str, code: str) -> str:
    """Return the line for a denied login."""
    reason = reasons.format_reason({}, code, minutes="5")
    record = ALICE._replace(server="", method="")
    return log_lines.LOGIN_DENIED.format(**login_facts(record, user, "denied", code, reason))


def accepted(user: str, recovered: bool = False) -> str:
    """Return the line for an accepted login."""
    record = ALICE._replace(accepted=not recovered, recovered=recovered, seconds=0.412)
    return log_lines.LOGIN_ACCEPTED.format(**login_facts(record, user, "accepted", "", ""))


def unfinished(user: str) -> str:
    """Return the line for a login that was left at a challenge."""
    record = ALICE._replace(login=State(all_challenges=1), seconds=0.02)
    return log_lines.LOGIN_UNFINISHED.format(**login_facts(record, user, "unfinished", "", ""))


def matched(rule: Pattern[str], users: List[str]) -> List[str]:
    """Return the codes with which a rule matches a denied login of any of these users, and others that it matches."""
    lines = {code: [denied(user, code) for user in users] for code in reasons.DENIALS}
    lines.update(
        accepted=[accepted(user) for user in users],
        recovered=[accepted(user, recovered=True) for user in users],
        unfinished=[unfinished(user) for user in users],
    )
    return [name for name, each in lines.items() if any(map(rule.search, each))]


USERS = ["alice", "CORP\\alice", 'a "b" \\', "", "x code=locked y", 'x" code=locked recovery=yes', "recovery=yes"]


def test_example_lines_are_those_of_the_plugin() -> None:
    assert BLOCKS[0].splitlines() == [accepted("alice"), denied("bob", "locked"), unfinished("carol")]


def test_rules_match_what_they_are_for() -> None:
    assert matched(LOCKED, USERS) == ["locked"]
    assert matched(RECOVERED, USERS) == ["recovered"]
    assert matched(LOCKED, ["alice"]) == ["locked"]
    assert matched(RECOVERED, ["alice"]) == ["recovered"]


def test_a_rule_has_every_code_that_is_not_due_to_the_user() -> None:
    of_the_user = {
        "rejected",
        "too-many-attempts",
        "too-many-challenges",
        "cannot-ask",
        "no-username",
        "bad-username",
        "bad-password",
        "no-answer",
        "locked",
        "login-in-progress",
        "not-in-group",
        "wrong-recovery-code",
        "connection-limit",
    }
    assert set(matched(BROKEN, USERS)) == set(reasons.DENIALS) - of_the_user
