"""The User-Name that a server receives: domain and realm stripped, prefix and suffix added."""

from lib.config.model import NameRules
from lib.login.username import radius_name


def test_names_are_rewritten_by_the_rules() -> None:
    wrong = []
    for rules, name, sent in (
        (NameRules(), "CORP\\alice@x", "CORP\\alice@x"),
        (NameRules(strip_realm=True), "alice@x@y", "alice@x"),
        (NameRules(strip_domain=True), "A\\B\\alice", "B\\alice"),
        (NameRules(True, True, "<", ">"), "CORP\\alice@x", "<alice>"),
        (NameRules(True, True), "@x", "@x"),
        (NameRules(True, True), "CORP\\", "CORP\\"),
        (NameRules(True, True), "alice", "alice"),
    ):
        if radius_name(rules, name) != sent:
            wrong.append((rules, name, radius_name(rules, name)))
    assert wrong == []
