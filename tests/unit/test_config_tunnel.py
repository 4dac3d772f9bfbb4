"""Tunneled methods in the configuration: valid, invalid, inherited, and doubtful."""

from typing import List, Tuple

import pytest

from lib.cli import check
from lib.config.options import TUNNELED
from lib.radius.server import ServerSettings
from tests.support import configuration
from tests.support.certificates import Authority, in_configuration
from tests.support.configuration import valid

AUTHORITY = Authority("the CA")
OTHER = Authority("another CA")
CLIENT = AUTHORITY.issue(for_client=True)
CA = "ca_certificate=" + in_configuration(AUTHORITY.certificate) + "\n"
SERVER = "[radius]\nserver=radius.example.com\nsecret=xyzzy5461xyzzy5461\n"
TUNNEL = SERVER + "auth_type=peap-mschapv2\n"
MINIMAL = TUNNEL + CA
BY_ADDRESS = MINIMAL.replace("radius.example.com", "{}")
FORGEABLE = "is no: anyone who knows the shared secret can forge an Access-Accept without the tunnel's keys"


def servers(text: str) -> Tuple[ServerSettings, ...]:
    return valid(text).servers


def problems(text: str) -> List[str]:
    """Return the errors, or else the warnings, that the plugin logs."""
    checked = configuration.check(text)
    return checked.errors or checked.warnings


def found(text: str) -> List[str]:
    """Return the errors and warnings of `check`, without their lines."""
    findings = (each for each in check.findings(text) if each.level != check.NOTE)
    return [f"{each.level}: [{each.section}] {each.option}: {each.text}" for each in findings]


@pytest.mark.parametrize("method", TUNNELED)
def test_a_tunnel_needs_only_a_ca(method: str) -> None:
    (server,) = servers(SERVER + f"auth_type={method.upper()}\n" + CA)
    assert (server.auth_type, server.tls, server.port) == (method, None, 1812)
    assert server.tunnel is not None
    assert (server.tunnel.anonymous_identity, server.tunnel.require_keys) == ("anonymous", True)
    assert (server.tunnel.tls.server_name, server.tunnel.tls.ca_certificate) == ("", AUTHORITY.certificate)
    assert not server.tunnel.tls.client_certificate


@pytest.mark.parametrize("method", ("pap", "chap", "mschapv2"))
def test_other_methods_have_no_tunnel(method: str) -> None:
    (server,) = servers(SERVER + f"auth_type={method}\n")
    assert server.tunnel is None
    (server,) = servers(SERVER + f"auth_type={method}\ntransport=tls\n" + CA)
    assert server.tunnel is None and server.tls is not None


def test_every_option_of_a_tunnel() -> None:
    text = MINIMAL + "anonymous_identity=nobody@example.com\nrequire_tunnel_keys=no\ntls_server_name=eap.example.com\n"
    (server,) = servers(text + "client_certificate=" + in_configuration(CLIENT.both) + "\n")
    assert server.tunnel is not None
    assert (server.tunnel.anonymous_identity, server.tunnel.require_keys) == ("nobody@example.com", False)
    assert server.tunnel.tls.server_name == "eap.example.com"
    assert server.tunnel.tls.client_certificate.reveal() == CLIENT.both
    assert CLIENT.key.splitlines()[1] not in repr(server)


def test_transport_and_tunnel_share_their_certificates() -> None:
    (server,) = servers(MINIMAL + "transport=tls\ntls_server_name=eap.example.com\n")
    assert server.tunnel is not None and server.tls == server.tunnel.tls
    assert server.tunnel.tls.server_name == "eap.example.com" and server.port == 2083


def test_a_tunnel_always_requires_message_authenticator() -> None:
    (server,) = servers(MINIMAL + "require_message_authenticator=no\n")
    assert server.require_message_authenticator
    (server,) = servers(SERVER + "require_message_authenticator=no\n")
    assert not server.require_message_authenticator


# Inheritance


def test_a_second_server_inherits_the_tunnel() -> None:
    first, second = servers(MINIMAL + "anonymous_identity=nobody\nrequire_tunnel_keys=no\n[radius_2]\nserver=b\n")
    assert second == first._replace(section="radius_2", server="b")


def test_a_second_server_may_leave_or_enter_the_tunnel() -> None:
    first, second = servers(MINIMAL + "[radius_2]\nserver=b\nauth_type=pap\n")
    assert first.tunnel is not None and second.tunnel is None
    first, second = servers(SERVER + "[radius_2]\nserver=b\nauth_type=ttls-pap\nanonymous_identity=nobody\n" + CA)
    assert first.tunnel is None and second.tunnel is not None
    assert second.tunnel.anonymous_identity == "nobody"
    first, second = servers(SERVER + CA + "anonymous_identity=nobody\n[radius_2]\nserver=b\nauth_type=ttls-pap\n")
    assert first.tunnel is None and second.tunnel is not None
    assert second.tunnel == second.tunnel._replace(anonymous_identity="nobody", require_keys=True)


def test_a_second_server_has_certificates_of_its_own() -> None:
    own = "ca_certificate=" + in_configuration(OTHER.certificate) + "\ntls_server_name=b.example.com\n"
    first, second = servers(MINIMAL + "[radius_2]\nserver=192.0.2.1\n" + own)
    assert first.tunnel is not None and second.tunnel is not None
    assert (first.tunnel.tls.ca_certificate, first.tunnel.tls.server_name) == (AUTHORITY.certificate, "")
    assert (second.tunnel.tls.ca_certificate, second.tunnel.tls.server_name) == (OTHER.certificate, "b.example.com")


# Errors


def test_a_missing_ca_is_an_error() -> None:
    missing = "[{}] ca_certificate: is missing: it is what authenticates the server"
    assert problems(TUNNEL) == [missing.format("radius")]
    assert problems(SERVER + "[radius_2]\nserver=b\nauth_type=ttls-pap\n") == [missing.format("radius_2")]


@pytest.mark.parametrize("address", ("192.0.2.1", "2001:db8::1", "fe80::1%eth0"))
def test_an_address_needs_a_name_to_expect(address: str) -> None:
    text = BY_ADDRESS.format(address)
    name = "{}tls_server_name: is missing: with a tunneled auth_type, an address in `server` is not a name to expect"
    assert problems(text) == [name.format("[radius] ")]
    assert [each.text for each in check.findings(text)] == [name.format("").partition(": ")[2]]
    for expected in ("eap.example.com", "192.0.2.1"):
        (server,) = servers(text + f"tls_server_name={expected}\n")
        assert server.tunnel is not None and server.tunnel.tls.server_name == expected
    assert problems(MINIMAL + f"[radius_2]\nserver={address}\n") == [name.format("[radius_2] ")]


def test_an_address_is_a_name_to_expect_without_a_tunnel() -> None:
    (server,) = servers("[radius]\nserver=192.0.2.1\ntransport=tls\n" + CA)
    assert server.tls is not None and server.tls.server_name == ""


@pytest.mark.parametrize("name", ("", "a\x07b", "a\x7fb", "a\u0085b", "a\u200bb", "x" * 254, "ä" * 127))
def test_invalid_identities(name: str) -> None:
    (problem,) = problems(MINIMAL + f"anonymous_identity={name}\n")
    assert problem.startswith("[radius] anonymous_identity: expected a name of at most 253 octets without control")
    assert not name or name not in problem


@pytest.mark.parametrize("name", ("x" * 253, "ä" * 126, "@example.com", "anonymous@example.com", "a b", "ünbekannt"))
def test_valid_identities(name: str) -> None:
    (server,) = servers(MINIMAL + f"anonymous_identity={name}\n")
    assert server.tunnel is not None and server.tunnel.anonymous_identity == name


def test_invalid_values_of_a_tunnel_are_one_error_each() -> None:
    assert problems(MINIMAL + "require_tunnel_keys=true\ntls_server_name=a:1812\n[radius_2]\nserver=b\n") == [
        "[radius] tls_server_name: the port has its own option, `port`",
        "[radius] require_tunnel_keys: expected yes or no; write yes",
    ]
    (problem,) = problems(TUNNEL + "ca_certificate=hunter2\n")
    assert problem == "[radius] ca_certificate: expected complete certificates in PEM"


def test_an_unknown_method_causes_no_other_finding() -> None:
    for wrong in ("peap", "ttls", "eap-ttls-pap"):
        text = MINIMAL.replace("peap-mschapv2", wrong) + "anonymous_identity=x\n"
        (finding,) = found(text)
        assert finding.startswith("error: [radius] auth_type: expected one of pap, chap, mschapv2, ttls-pap, "), finding


# Doubts


def test_options_without_a_tunnel() -> None:
    own = "anonymous_identity=nobody\nrequire_tunnel_keys=no\n"
    text = SERVER + own + CA
    assert problems(text) == [
        "[radius] ca_certificate: has no effect without transport=tls or a tunneled auth_type",
        "[radius] anonymous_identity: has no effect without a tunneled auth_type",
        "[radius] require_tunnel_keys: has no effect without a tunneled auth_type",
    ]
    over_tls = text + "transport=tls\n"
    assert problems(over_tls) == problems(text)[1:]
    assert problems(SERVER + "anonymous_identity=anonymous\nrequire_tunnel_keys=yes\n") == []
    assert problems(MINIMAL + "connect_timeout=4\n") == [
        "[radius] connect_timeout: has no effect without transport=tls"
    ]


def test_an_identity_in_quotes_is_doubtful() -> None:
    for value, doubt in (("'nobody'", "is in quotes"), ("nobody # x", "seems to end in"), ("no\u00a0body", "contains")):
        (problem,) = problems(MINIMAL + f"anonymous_identity={value}\n")
        assert problem.startswith(f"[radius] anonymous_identity: {doubt}"), problem


def test_a_tunnel_without_doubts() -> None:
    for more in ("", "transport=tls\n", "anonymous_identity=@example.com\n", "[auth]\nprompt=Password:\n"):
        assert found(MINIMAL + more) == [], more


def test_keys_that_are_not_required_are_a_warning() -> None:
    keys = "require_tunnel_keys=no\n"
    assert found(MINIMAL + keys + "[radius_2]\nserver=b\n") == [f"warning: [radius] require_tunnel_keys: {FORGEABLE}"]
    (warning,) = found(MINIMAL + "[radius_2]\nserver=b\n" + keys)
    assert warning == f"warning: [radius_2] require_tunnel_keys: {FORGEABLE}"
    (warning,) = found(SERVER + keys)
    assert "has no effect" in warning


def test_message_authenticator_is_required_whatever_the_option_says() -> None:
    unsigned = "require_message_authenticator=no\n"
    useless = "has no effect with a tunneled auth_type, which requires Message-Authenticator (RFC 3579)"
    assert found(MINIMAL + unsigned) == [f"warning: [radius] require_message_authenticator: {useless}"]
    assert found(MINIMAL + unsigned + "transport=tls\n") == [
        "warning: [radius] require_message_authenticator: has no effect with transport=tls"
    ]
    pap = "[radius_2]\nserver=b\nauth_type=pap\n"
    assert [each.partition(": is no")[0] for each in found(MINIMAL + pap + unsigned)] == [
        "warning: [radius_2] require_message_authenticator"
    ]


def test_attributes_that_show_the_user_name() -> None:
    attributes = "[radius_attributes]\nConnect-Info={{{}}}\n"
    for name in ("username", "gateway_user"):
        (warning,) = found(MINIMAL + attributes.format(name))
        assert warning.startswith("warning: [radius_attributes] line ")
        assert warning.endswith(": shows the user name outside the tunnel")
        assert found(SERVER + attributes.format(name)) == []
    assert found(MINIMAL + attributes.format("client_ip")) == []


@pytest.mark.parametrize("method", ("chap", "mschapv2", "ttls-mschapv2", "peap-mschapv2"))
def test_a_push_word_in_a_hash_is_doubtful(method: str) -> None:
    certificate = CA if method in TUNNELED else ""
    (warning,) = found(SERVER + f"auth_type={method}\n" + certificate + "[auth]\npush_password=push\n")
    text = f"is hashed with auth_type={method}: a server that looks for the word does not see it"
    assert warning == f"warning: [auth] push_password: {text}"
    assert found(SERVER + f"auth_type={method}\n" + certificate + "[auth]\npush_password=p\n") == []


@pytest.mark.parametrize("method", ("pap", "ttls-pap"))
def test_a_push_word_in_clear_is_not_doubtful(method: str) -> None:
    certificate = CA if method in TUNNELED else ""
    assert found(SERVER + f"auth_type={method}\n" + certificate + "[auth]\npush_password=push\n") == []
