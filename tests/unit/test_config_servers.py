"""[radius], [radius_N] and [accounting]: the servers, what they inherit, and what the Credential Store has for them."""

from typing import List, Optional

from lib.config.model import NameRules
from lib.config.reader import ConfigurationError
from lib.radius.server import ServerSettings
from lib.secret import Secret
from tests.support.configuration import MINIMAL, Store, check, empty_store, store_of, valid, with_option

# Inheritance


def test_servers_are_in_the_order_of_their_numbers() -> None:
    text = "[radius_10]\nserver=ten\n[radius_2]\nserver=two\n" + MINIMAL
    text += "[radius_1]\nserver=one\n[radius_9]\nserver=nine\n"
    assert [(server.section, server.server) for server in valid(text).servers] == [
        ("radius", "radius.example.com"),
        ("radius_1", "one"),
        ("radius_2", "two"),
        ("radius_9", "nine"),
        ("radius_10", "ten"),
    ]


def test_radius_n_inherits_what_it_does_not_set() -> None:
    text = """\
[radius]
server=a
secret=" s "
port=1645
auth_type=chap
conn_timeout=2.5
conn_retries=7
retransmit_after=1.5
require_message_authenticator=no
source_ip=192.0.2.1
status_check=none
status_check_after=7
status_check_timeout=4
[radius_2]
port=1645
[radius_3]
server=c
secret=t
port=1812
auth_type=pap
conn_timeout=5
conn_retries=3
retransmit_after=0.3
require_message_authenticator=yes
source_ip=
status_check=status-server
status_check_after=3
status_check_timeout=3
"""
    assert valid(text).servers == (
        ServerSettings(
            "radius", "a", 1645, Secret(" s "), "chap", 2.5, 7, 1.5, False, "192.0.2.1", "none", 7.0, 4.0, 3.0
        ),
        ServerSettings(
            "radius_2", "a", 1645, Secret(" s "), "chap", 2.5, 7, 1.5, False, "192.0.2.1", "none", 7.0, 4.0, 3.0
        ),
        ServerSettings(
            "radius_3", "c", 1812, Secret("t"), "pap", 5.0, 3, 0.3, True, "", "status-server", 3.0, 3.0, 3.0
        ),
    )


def test_radius_n_inherits_from_radius_before_default() -> None:
    settings = valid("[DEFAULT]\nport=1\n[radius]\nport=1645\nserver=a\nsecret=s\n[radius_2]\nserver=b\n")
    assert [server.port for server in settings.servers] == [1645, 1645]


def test_an_invalid_value_is_reported_in_the_sections_that_set_it() -> None:
    text = "[radius]\nport=0\nsecret=s\nserver=a\n[radius_2]\nserver=b\n[radius_3]\nserver=c\n"
    assert check(text).errors == ["[radius] port: expected a whole number from 1 to 65535, found a smaller number"]
    assert check("[radius]\nport=0\nsecret=s\nserver=a\n[radius_2]\nserver=b\nport=0\n").errors == [
        "[radius] port: expected a whole number from 1 to 65535, found a smaller number",
        "[radius_2] port: expected a whole number from 1 to 65535, found a smaller number",
    ]


def test_name_rules_are_those_of_the_server_then_radius_then_username() -> None:
    text = MINIMAL + "add_prefix=p\\\n[radius_2]\nserver=b\nstrip_realm=no\nadd_suffix=@2\n[radius_3]\nserver=c\n"
    text += "[username]\nstrip_realm=yes\nstrip_domain=yes\nadd_prefix=u\\\nadd_suffix=@u\n"
    assert valid(text).name_rules == {
        "radius": NameRules(True, True, "p\\", "@u"),
        "radius_2": NameRules(False, True, "p\\", "@2"),
        "radius_3": NameRules(True, True, "p\\", "@u"),
    }


def test_waits_that_a_time_limit_cuts_short_are_a_warning() -> None:
    two = MINIMAL + "conn_timeout={}\nconn_retries=3\ntotal_timeout={}\n[radius_2]\nserver=b\n"
    valid(two.format("50", "150"))
    checked = check(two.format("60", "180"))
    assert checked.settings is not None
    assert checked.warnings == [
        "[radius] conn_timeout: the servers' timeouts add up to 360 s; SPS stops a plugin after 300 s"
    ]
    checked = check(two.format("50", "149.5"))
    assert checked.settings is not None
    assert checked.warnings == [
        f"[{section}] conn_timeout: times conn_retries is 150 s, but total_timeout ends the wait after 149.5 s"
        for section in ("radius", "radius_2")
    ]


# The Credential Store


def test_dollar_is_looked_up_by_section_and_option() -> None:
    store = Store({("radius", "secret"): "s%(x)s ", ("auth", "push_password"): "$$", ("radius_2", "secret"): '" t "'})
    text = "[radius]\nserver=a\nsecret=$\n[auth]\npush_password = $ \n[radius_2]\nsecret=$\n"
    settings, errors, warnings = check(text, store)
    assert settings is not None and errors == []
    assert warnings == [
        "[radius] secret: begins or ends with white space (U+0020)",
        "[radius_2] secret: is in quotes, which are part of the value",
    ]
    # A stored password is used as it is: nothing in it is syntax.
    assert [server.secret for server in settings.servers] == [Secret("s%(x)s "), Secret('" t "')]
    assert settings.auth.push_password == Secret("$$")
    assert sorted(store.asked) == [("auth", "push_password"), ("radius", "secret"), ("radius_2", "secret")]


def test_radius_n_inherits_a_stored_secret() -> None:
    # The documents have the admin store it for host `radius`, which is the section that has the `$`.
    store = Store({("radius", "secret"): "from the store"})
    settings = valid("[radius]\nserver=a\nsecret=$\n[radius_2]\nserver=b\n", store)
    assert [server.secret for server in settings.servers] == [Secret("from the store")] * 2


def test_a_secret_stored_for_radius_n_is_preferred_to_an_inherited_one() -> None:
    store = Store({("radius", "secret"): "first", ("radius_2", "secret"): "second"})
    settings = valid("[radius]\nserver=a\nsecret=$\n[radius_2]\nserver=b\n[radius_3]\nserver=c\n", store)
    assert [server.secret for server in settings.servers] == [Secret("first"), Secret("second"), Secret("first")]


def test_radius_n_with_a_dollar_of_its_own_needs_a_stored_secret() -> None:
    store = Store({("radius", "secret"): "first"})
    assert check("[radius]\nserver=a\nsecret=$\n[radius_2]\nserver=b\nsecret=$\n", store).errors == [
        "[radius_2] secret: the Credential Store has no password for host=radius_2 user=secret"
    ]


def test_an_invalid_secret_stored_for_radius_n_is_an_error() -> None:
    wrong = []
    for stored, expected in (
        ("", "is empty"),
        ("a\nb", "contains a line break"),
        ("\udcff", "holds characters that UTF-8 cannot encode"),
    ):
        store = Store({("radius", "secret"): "first", ("radius_2", "secret"): stored})
        errors = check("[radius]\nserver=a\nsecret=$\n[radius_2]\nserver=b\n", store).errors
        if len(errors) != 1 or not errors[0].startswith("[radius_2] secret: " + expected):
            wrong.append((stored, errors))
    assert wrong == []


def test_options_that_are_not_secret_can_be_stored_too() -> None:
    store = Store({("radius", "server"): "192.0.2.9", ("radius", "port"): "99999", ("auth", "prompt"): " Code: "})
    checked = check("[radius]\nserver=$\nsecret=s\nport=$\n[auth]\nprompt=$\n", store)
    assert checked.errors == ["[radius] port: expected a whole number from 1 to 65535, found a larger number"]
    assert ("radius", "server") in store.asked and ("auth", "prompt") in store.asked


def test_values_other_than_dollar_are_not_looked_up() -> None:
    store = Store({})
    text = with_option("radius", "secret", "$$")
    text += "[auth]\nprompt=$$\npush_password= $$$\n[https-proxy]\npassword=$\n"
    settings = valid(text, store)
    assert store.asked == []
    assert settings.servers[0].secret == Secret("$")
    assert settings.auth.prompt == "$"
    assert settings.auth.push_password == Secret("$$$")


def test_passwords_missing_from_the_store_are_errors() -> None:
    checked = check("[radius]\nserver=a\nsecret=$\n[auth]\npush_password=$\n", empty_store)
    assert checked.errors == [
        "[radius] secret: the Credential Store has no password for host=radius user=secret",
        "[auth] push_password: the Credential Store has no password for host=auth user=push_password",
    ]


def test_an_empty_password_in_the_store_is_an_error() -> None:
    assert check("[radius]\nserver=a\nsecret=$\n", store_of("")).errors == ["[radius] secret: is empty"]


def test_a_store_that_fails_is_an_error_beside_the_others() -> None:
    def locked(section: str, option: str) -> Optional[str]:
        raise ConfigurationError("the Credential Store is locked")

    checked = check("[radius]\nserver=a\nsecret=$\nport=0\n[radius_2]\nserver=b\n", locked)
    assert set(checked.errors) >= {
        "[radius] port: expected a whole number from 1 to 65535, found a smaller number",
        "[radius] secret: the Credential Store is locked",
    }


# [accounting]


def accounting(text: str) -> List[ServerSettings]:
    """Return the accounting servers of a configuration."""
    settings = valid(text)
    assert settings.accounting is not None
    return list(settings.accounting.servers)


def test_accounting_uses_the_servers_of_radius() -> None:
    text = (
        MINIMAL + "[radius_2]\nserver=b\nport=1645\nsource_ip=192.0.2.1\nstrip_realm=yes\n[accounting]\nenabled=yes\n"
    )
    servers = accounting(text)
    assert [(each.section, each.server, each.port, each.source_ip) for each in servers] == [
        ("radius", "radius.example.com", 1813, ""),
        ("radius_2", "b", 1813, "192.0.2.1"),
    ]
    # They share the time that accounting may add to a login, whatever the options of logins are.
    found = valid(text).accounting
    assert found is not None and found.timeout == 2.0 and [each.bound for each in servers] == [0.9, 0.9]
    assert {each.secret.reveal() for each in servers} == {"xyzzy5461"}


def test_accounting_ignores_servers_in_default() -> None:
    text = "[DEFAULT]\nserver=d\nport=1645\nsecret=other\n[radius]\nserver=a\n[accounting]\nenabled=yes\n"
    assert [(each.server, each.port, each.secret.reveal()) for each in accounting(text)] == [("a", 1813, "other")]


def test_accounting_with_servers_of_its_own() -> None:
    text = MINIMAL + "conn_timeout=40\n[accounting]\nenabled=yes\nserver=a\nport=1646\ntimeout=3\n"
    text += "[accounting_3]\nserver=c\n[accounting_2]\nserver=b\nsecret=other\nport=1\n"
    servers = accounting(text)
    assert [(each.section, each.server, each.port, each.secret.reveal()) for each in servers] == [
        ("accounting", "a", 1646, "xyzzy5461"),
        ("accounting_2", "b", 1, "other"),
        ("accounting_3", "c", 1646, "xyzzy5461"),
    ]
    assert [round(each.bound, 9) for each in servers] == [0.9, 0.9, 0.9]
