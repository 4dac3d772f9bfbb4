"""RADIUS over TLS in the configuration: valid, invalid, inherited and looked up."""

from typing import List, Optional, Tuple

from lib.config.build import build
from lib.config.ini import parse_ini
from lib.config.model import Settings
from lib.config.reader import ConfigurationError, CredentialLookup
from lib.radius.server import ServerSettings
from tests.support import configuration
from tests.support.certificates import Authority, in_configuration
from tests.support.configuration import empty_store

AUTHORITY = Authority("the CA")
OTHER = Authority("another CA")
CLIENT = AUTHORITY.issue(for_client=True)
CA = "ca_certificate=" + in_configuration(AUTHORITY.certificate) + "\n"
CONNECTION = "[radius]\nserver=radius.example.com\ntransport=tls\n"
MINIMAL = CONNECTION + CA
KEY_LINE = CLIENT.key.splitlines()[1]


def one_list(name: str) -> Optional[str]:
    return OTHER.certificate if name == "the list" else None


def check(text: str, credential: CredentialLookup = empty_store) -> Tuple[Optional[Settings], List[str]]:
    settings, errors, warnings = configuration.check(text, credential, one_list)
    assert KEY_LINE not in repr(errors + warnings)
    return settings, errors + warnings


def servers(text: str, credential: CredentialLookup = empty_store) -> Tuple[ServerSettings, ...]:
    settings, problems = check(text, credential)
    assert problems == [] and settings is not None
    return settings.servers


def error(text: str, credential: CredentialLookup = empty_store) -> str:
    settings, (problem,) = check(text, credential)
    assert settings is None
    return problem


def with_client(pem: str) -> str:
    return MINIMAL + "client_certificate=" + in_configuration(pem) + "\n"


def test_tls_needs_a_server_and_a_ca() -> None:
    (server,) = servers(MINIMAL)
    assert (server.port, server.secret.reveal()) == (2083, "radsec")
    assert server.tls is not None
    assert server.tls.ca_certificate == AUTHORITY.certificate
    assert server.tls.server_name == "" and not server.tls.client_certificate


def test_udp_keeps_its_port_and_needs_a_secret() -> None:
    (server,) = servers("[radius]\nserver=a\nsecret=s\ntransport=UDP\n")
    assert (server.port, server.tls) == (1812, None)
    assert error("[radius]\nserver=a\n") == "[radius] secret: is missing"


def test_every_tls_option() -> None:
    text = MINIMAL + "port=3083\nsecret=own\nconnect_timeout=9\ntls_server_name=other.example\nclient_certificate="
    (server,) = servers(text + in_configuration(CLIENT.both) + "\n")
    assert (server.port, server.secret.reveal(), server.connect_timeout) == (3083, "own", 9.0)
    assert server.tls is not None and server.tls.server_name == "other.example"
    assert server.tls.client_certificate.reveal() == CLIENT.both
    assert KEY_LINE not in repr(server)


# Inheritance


def test_a_second_tls_server_inherits_everything() -> None:
    first, second = servers(MINIMAL + "port=3083\nsecret=own\nconnect_timeout=9\n[radius_2]\nserver=b\n")
    assert second == first._replace(section="radius_2", server="b")


def test_port_and_secret_are_not_inherited_by_another_transport() -> None:
    backup = "[radius_2]\nserver=b\ntransport=udp\n"
    first, second = servers(MINIMAL + "port=3083\n" + backup + "secret=s\n")
    assert (first.port, second.port, second.tls) == (3083, 1812, None)
    assert error(MINIMAL + backup) == "[radius_2] secret: is missing"
    first, second = servers("[radius]\nserver=a\nsecret=s\nport=1645\n[radius_2]\ntransport=tls\n" + CA)
    assert (second.server, second.port, second.secret.reveal()) == ("a", 2083, "radsec")


def test_certificates_are_inherited_from_a_udp_server() -> None:
    text = "[radius]\nserver=a\nsecret=s\n" + CA + "[radius_2]\ntransport=tls\n[radius_3]\ntransport=tls\n"
    udp, second, third = servers(text)
    assert udp.tls is None and second.tls == third.tls and second.tls is not None
    assert second.tls.ca_certificate == AUTHORITY.certificate


# Certificates


def test_only_the_certificates_of_a_text_are_kept() -> None:
    chain = "subject=CN = the CA\n" + AUTHORITY.certificate + "other text\n" + OTHER.certificate
    (server,) = servers("[radius]\nserver=a\ntransport=tls\nca_certificate=" + in_configuration(chain) + "\n")
    assert server.tls is not None
    assert server.tls.ca_certificate == AUTHORITY.certificate + OTHER.certificate


def test_a_missing_ca_is_an_error() -> None:
    missing = "[radius] ca_certificate: is missing: it is what authenticates the server"
    assert error("[radius]\nserver=a\ntransport=tls\n") == missing
    assert error("[radius]\nserver=a\ntransport=tls\nca_certificate=\n") == missing


def test_invalid_ca_certificates_are_errors() -> None:
    wrong = []
    for pem in (
        "hunter2",
        "/etc/ssl/certs/ca.pem",
        AUTHORITY.certificate.replace("END", "BND"),
        AUTHORITY.certificate[:200] + AUTHORITY.certificate[201:],
        "\n".join(AUTHORITY.certificate.splitlines()[:3] + AUTHORITY.certificate.splitlines()[4:]),
        AUTHORITY.certificate + OTHER.certificate[:-30],
        CLIENT.key,
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nä\n-----END CERTIFICATE-----",
    ):
        text = "[radius]\nserver=a\ntransport=tls\nca_certificate=" + in_configuration(pem) + "\n"
        settings, problems = check(text)
        expected = "[radius] ca_certificate: expected complete certificates in PEM"
        if settings is not None or problems != [expected]:
            wrong.append((pem, problems))
    assert wrong == []


def test_invalid_client_certificates_are_errors() -> None:
    wrong = []
    for pem, expected in (
        (CLIENT.certificate, "expected one private key in PEM with the certificate"),
        (CLIENT.key, "expected complete certificates in PEM"),
        (CLIENT.both + CLIENT.key, "expected one private key in PEM with the certificate"),
        (CLIENT.both[:-40], "expected one private key in PEM with the certificate"),
        (AUTHORITY.issue(passphrase=b"x").both, "the private key is encrypted"),
        (
            CLIENT.certificate + "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n"
            "\nMAA=\n-----END RSA PRIVATE KEY-----\n",
            "the private key is encrypted",
        ),
    ):
        settings, problems = check(with_client(pem))
        found = "".join(problems)
        if settings is not None or not found.startswith("[radius] client_certificate: " + expected) or problems[1:]:
            wrong.append((expected, problems))
    assert wrong == []


def test_the_key_may_come_before_the_certificate() -> None:
    (server,) = servers(with_client(CLIENT.key + CLIENT.certificate))
    assert server.tls is not None and server.tls.client_certificate.reveal() == CLIENT.both


def test_pem_needs_no_indentation() -> None:
    pem = AUTHORITY.certificate + OTHER.certificate
    indented = servers(CONNECTION + "ca_certificate=" + in_configuration(pem) + "\nport=1\n")
    for text in (
        pem,
        "\n" + pem,
        pem.replace("-----\n-----", "-----\n\n; comment\n-----"),
        pem.replace("-----\n-----", "----------"),  # the files were joined without a line break
        pem.replace("\n", "\r\n"),
        in_configuration(AUTHORITY.certificate) + "\n" + OTHER.certificate,
    ):
        assert servers(CONNECTION + "ca_certificate=" + text + "port=1\n") == indented, text
    both = "client_certificate=" + CLIENT.both
    (server,) = servers(CONNECTION + both + "ca_certificate=" + pem + "port=1\n")
    assert server.tls is not None and server.tls.client_certificate.reveal() == CLIENT.both and server.port == 1


def test_pem_without_its_end_hides_no_option() -> None:
    block = "-----BEGIN PUBLIC KEY-----\nAAAA\n"
    for after, found in (("port=0\n", "[radius] port: expected"), ("[gateway_group]\nname=x\n", "[gateway_group]:")):
        _, problems = check(CONNECTION + "ca_certificate=" + AUTHORITY.certificate + block + after)
        assert [problem for problem in problems if problem.startswith(found)], problems


def test_pem_in_the_wrong_place_is_one_error_and_not_quoted() -> None:
    pem = CLIENT.key.strip()
    for text, number in (
        ("secret=" + pem, 4),
        ("certificate=" + pem, 4),
        ("[auth]\n" + pem, 4),
        ("[auth]\nprompt=x\n" + pem + "\n" + pem, 5),
    ):
        settings, problems = check("[radius]\nserver=a\n" + text + "\nport=0\n")
        expected = f"line {number}: is PEM, which is a value of ca_certificate or client_certificate only"
        assert settings is None
        assert [problem for problem in problems if problem.startswith("line ")] == [expected]
        assert not [line for line in pem.splitlines()[1:-1] if line.lower() in repr(problems).lower()]


def test_a_line_of_a_key_is_not_reported_as_an_unknown_option() -> None:
    # Base64 may end in `=`, which makes an option of the line, and its name would be shown.
    wrong = []
    for last in ("c2VjcmV0cw==", "c2VjcmV0cwA=", "c2VjcmV0cwAA"):
        for indented in ("", "AAAA", "AAAA BBBB -----END"):
            lines = ["AAAA", "BBBB", last, "-----END PRIVATE KEY-----", "tls_server_name=a.example"]
            lines += ["[radius_2]", "tls_name="]
            for start in indented.split():
                lines = ["  " + line if line.startswith(start) else line for line in lines]
            text = MINIMAL + "client_certificate=-----BEGIN PRIVATE KEY-----\n" + "\n".join(lines) + "\n"
            settings, problems = check(text)
            if (
                settings is not None
                or "c2vjcmv0" in repr(problems).lower()
                or [problem.partition(":")[0] for problem in problems]
                != ["[radius] client_certificate", "[radius_2] tls_name"]
            ):
                wrong.append((last, indented, problems))
    assert wrong == []


# Look-ups


def test_a_trusted_ca_list_of_sps() -> None:
    text = "[radius]\nserver=a\ntransport=tls\nca_certificate=$[{}]\n"
    (server,) = servers(text.format("the list"))
    assert server.tls is not None and server.tls.ca_certificate == OTHER.certificate
    assert error(text.format("a list")) == "[radius] ca_certificate: SPS has no trusted CA list with this name"


def test_trusted_ca_lists_exist_on_sps_only() -> None:
    text = "[radius]\nserver=a\ntransport=tls\nca_certificate=$[the list]\n"
    _, problems = build(parse_ini(text), empty_store)
    (problem,) = problems
    assert str(problem).startswith("[radius] ca_certificate: trusted CA lists exist on SPS only")


def test_a_client_certificate_from_the_credential_store() -> None:
    asked: List[Tuple[str, str]] = []

    def store(section: str, option: str) -> Optional[str]:
        asked.append((section, option))
        return CLIENT.both if section == "radius" else None

    first, second = servers(MINIMAL + "client_certificate=$\n[radius_2]\nserver=b\n", store)
    assert asked == [("radius", "client_certificate"), ("radius_2", "client_certificate")]
    assert first.tls == second.tls and first.tls is not None
    assert first.tls.client_certificate.reveal() == CLIENT.both
    assert error(MINIMAL + "client_certificate=$\n") == (
        "[radius] client_certificate: the Credential Store has no certificate for host=radius user=client_certificate"
    )


def test_a_store_that_fails() -> None:
    def broken(section: str, option: str) -> Optional[str]:
        raise ConfigurationError("the Credential Store failed: OSError")

    assert error(MINIMAL + "client_certificate=$\n", broken).endswith(": the Credential Store failed: OSError")


def test_nothing_is_looked_up_for_udp() -> None:
    def never(section: str, option: str) -> Optional[str]:
        raise AssertionError(option)

    text = "[radius]\nserver=a\nsecret=s\nclient_certificate=$\nca_certificate=$[no list]\nconnect_timeout=1\n"
    settings, problems = check(text, never)
    assert settings is not None and problems == [
        "[radius] connect_timeout: has no effect without transport=tls",
        "[radius] ca_certificate: has no effect without transport=tls or a tunneled auth_type",
        "[radius] client_certificate: has no effect without transport=tls or a tunneled auth_type",
    ]


# Accounting


def accounting(text: str) -> List[Tuple[str, int, str, bool]]:
    """Return server, port, secret and whether it is TLS for each accounting server."""
    settings, problems = check(text)
    assert problems == [] and settings is not None and settings.accounting is not None
    return [
        (each.server, each.port, each.secret.reveal(), each.tls is not None) for each in settings.accounting.servers
    ]


def test_accounting_uses_the_servers_and_transports_of_radius() -> None:
    text = MINIMAL + "port=3083\n[radius_2]\nserver=b\ntransport=udp\nsecret=s\n[accounting]\nenabled=yes\n"
    assert accounting(text) == [("radius.example.com", 3083, "radsec", True), ("b", 1813, "s", False)]


def test_accounting_servers_of_their_own_use_tls_too() -> None:
    own = MINIMAL + "[accounting]\nenabled=yes\nserver=c\n"
    assert accounting(own) == [("c", 2083, "radsec", True)]
    assert accounting(own + "port=3083\n[accounting_2]\nserver=d\n") == [
        ("c", 3083, "radsec", True),
        ("d", 3083, "radsec", True),
    ]


def test_tls_server_name_is_not_that_of_another_accounting_server() -> None:
    for own, name in (("", "other.example"), ("server=radius.example.com\n", "other.example"), ("server=c\n", "")):
        text = MINIMAL + "tls_server_name=other.example\n[accounting]\nenabled=yes\n" + own
        settings, problems = check(text)
        assert problems == [] and settings is not None and settings.accounting is not None
        (server,) = settings.accounting.servers
        assert server.tls is not None and settings.servers[0].tls is not None
        assert server.tls == settings.servers[0].tls._replace(server_name=name)
