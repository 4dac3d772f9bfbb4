"""README.md and docs/: every configuration is valid, every name exists, every link has a target.

The zip plays the statements about servers, the cookie and the state directories.
"""

import json
import os
import pathlib
import re
import stat
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Set

from lib import reasons
from lib.authenticator import PATTERN_SECONDS
from lib.cli.presets import PRESETS
from lib.config import options
from lib.config.build import build
from lib.config.ini import parse_ini
from lib.config.reader import ConfigurationError
from lib.recovery_code import RecoveryHash, new_code, new_hash, parse
from lib.secret import Secret
from simulator.closed_port import closed_port
from tests.support import ROOT
from tests.support.conversation import documented_transitions
from tests.support.misbehaving import (
    ACCEPT,
    CHALLENGE,
    REPLY_MESSAGE,
    SECRET,
    STATE,
    Request,
    Server,
    answering,
    reply,
)
from tests.support.pages import DOCS, FENCE, PAGES, SERVERS, Block, aimed_at, blocks, preset
from tests.support.plugin import OpenSession, prompts, section
from tests.support.radiusd import AUTHORITY, HOST, RSA_ANSWERS, FreeRadius


def wrong_on_pages(find: Callable[[pathlib.Path], Iterable[str]]) -> Dict[str, List[str]]:
    """Return everything that a check finds, by page."""
    found = {page.name: list(find(page)) for page in PAGES}
    return {name: wrong for name, wrong in found.items() if wrong}


# Configurations

CONFIGURATIONS = [block for page in PAGES for block in blocks(page) if block.info.split(" ")[0] == "ini"]


def problems_of(block: Block) -> List[str]:
    """Return the errors and warnings of a block's configuration; a fragment is added to a minimal one."""
    whole = "[radius]\nserver=a\nsecret=sixteen octets..\n" + block.text if block.info == "ini fragment" else block.text
    ini = parse_ini(whole)

    def credential(section: str, option: str) -> Optional[str]:
        if not ini.sections.get("credential_store", {}).get("name"):
            raise ConfigurationError("`$` requires [credential_store] name")
        if option == "client_certificate":
            return AUTHORITY.issue(for_client=True).both
        return str(RecoveryHash(1, bytes(8), bytes(32))) if section == "recovery_codes" else "sixteen octets.."

    return [str(problem) for problem in build(ini, credential, lambda name: AUTHORITY.certificate)[1]]


def test_pages_have_configurations() -> None:
    assert {block.info for block in CONFIGURATIONS} == {"ini", "ini fragment"}
    assert {block.page for block in CONFIGURATIONS} >= set(SERVERS.iterdir())


def test_every_configuration_is_valid() -> None:
    found = {str(block): problems_of(block) for block in CONFIGURATIONS}
    assert {place: problems for place, problems in found.items() if problems} == {}


def test_problems_in_a_configuration_are_found() -> None:
    doubtful = Block(DOCS, 1, "ini fragment", "[lockout]\nmax_failure=4\n[auth]\npush_password=$\n")
    found = problems_of(doubtful)
    assert any("did you mean max_failures?" in problem for problem in found)
    assert any("requires [credential_store] name" in problem for problem in found)


# Diagrams


def test_diagram_of_the_conversation_has_the_edges_of_its_table() -> None:
    diagrams = [block.text for block in blocks(DOCS / "architecture.md") if block.text.startswith("stateDiagram")]
    edges = [edge for text in diagrams for edge in re.findall(r"(?m)^ *(\w+) --> (\w+)\b", text)]
    assert sorted(edges) == sorted({(place, target) for place, _, target in documented_transitions()})


# Names

OPTIONS: Dict[str, Set[str]] = {
    section.name: {option.name for option in section.options} for section in options.SECTIONS
}
# Sections of other programs' files
FOREIGN = {
    "duo.md": {"radius_server_" + kind for kind in ("duo_only", "auto", "challenge", "concat")},
    "moving.md": {"cache", "ldap"},
    "privacyidea.md": {"Mapping user"},
}
CODE = re.compile(r"``(?P<two>.+?)``|`(?P<one>[^`\n]+)`", re.DOTALL)
SECTION = re.compile(r"\[(?P<section>[a-z][^\]{}]*)\](?: (?P<option>[a-z_]+)\b)?")
WORD = re.compile(r"[a-z]+(?:_[a-z]+)+\Z")
OTHER_WORDS = {
    "README.md": {"radius_username", "radius_password"},
    "0007-recovery-codes.md": {"bypass_when_unreachable"},
    "configuration.md": {"radius_password", "radius_username", "ldap_server", "auth_cache", "recovery_codes"},
    "duo.md": {"force_message_authenticator"},
    "freeradius.md": {
        "require_message_authenticator",
        "status_server",
        "max_request_time",
        "max_servers",
        "with_ntdomain_hack",
        "reject_delay",
        "certificate_file",
        "private_key_file",
        "tls_max_version",
        "filter_inner_identity",
        "remove_reply_message_if_eap",
    },
    "moving.md": {"radius_password", "typed_username"},
    "privacyidea.md": {
        "push_wait",
        "challenge_response",
        "challenge_text",
        "max_request_time",
        "add_user_in_response",
        "hide_specific_error_message",
        "ssl_check",
    },
    "security.md": {"mfa_identity", "radius_session", "radius_accepted", "auth_cache"},
    "troubleshooting.md": {"radius_user", "recovery_code"},
}


def code(page: pathlib.Path) -> List[str]:
    """Return the texts in backticks on a page, without the fenced blocks."""
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    return [" ".join((match.group("two") or match.group("one")).split()) for match in CODE.finditer(prose)]


def is_known(section: str, option: Optional[str]) -> bool:
    """Whether the plugin knows the section and, if given, its option."""
    declared = options.declaration(section) or next((each for each in options.SECTIONS if each.name == section), None)
    return declared is not None and (option is None or declared.open != "" or option in OPTIONS[declared.name])


def unknown_sections_and_options(page: pathlib.Path) -> Iterator[str]:
    for each in code(page):
        for match in SECTION.finditer(each):
            section, option = match.group("section", "option")
            alone = match.group() == each
            if each.startswith("$[") or section == "section":
                continue
            if section in FOREIGN.get(page.name, ()) or section in reasons.DENIALS:
                continue
            # In a log line, any word may follow the section.
            if not is_known(section, option if alone else None):
                yield each


def test_sections_and_options_in_the_text_exist() -> None:
    assert wrong_on_pages(unknown_sections_and_options) == {}


def unknown_words(page: pathlib.Path) -> Set[str]:
    every = {name for names in OPTIONS.values() for name in names} | {"radius_N", "question_N"}
    others = OTHER_WORDS.get(page.name, set())
    words = {each.split("=")[0] for each in code(page) if re.match(r"[a-z_]+=|[a-z_]+\Z", each)}
    return {word for word in words if WORD.match(word)} - every - others


def test_words_that_look_like_options_are_options() -> None:
    assert wrong_on_pages(unknown_words) == {}


# Links

LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")


def anchors(page: pathlib.Path) -> Set[str]:
    """Return the anchors that GitHub makes from the headings of a page."""
    found: Set[str] = set()
    for heading in re.findall(r"(?m)^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8"))):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        assert anchor not in found, f"{page.name} has two headings {heading}"
        found.add(anchor)
    return found


def broken_links(page: pathlib.Path) -> Iterator[str]:
    links = LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    if not links and page.name != "transcripts.md":
        yield "no link"
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not link.startswith("https://") and not (target.is_file() and (not anchor or anchor in anchors(target))):
            yield link


def test_every_link_has_a_target() -> None:
    assert wrong_on_pages(broken_links) == {}


def headings_without_text(page: pathlib.Path) -> List[str]:
    lines = [line for line in FENCE.sub("a block", page.read_text(encoding="utf-8")).splitlines() if line]
    levels = [len(line) - len(line.lstrip("#")) for line in lines] + [1]
    return [line for line, own, following in zip(lines, levels, levels[1:]) if own and 0 < following <= own]


def test_every_heading_has_text() -> None:
    assert wrong_on_pages(headings_without_text) == {}


def incomplete_contents(page: pathlib.Path) -> List[str]:
    contents = re.findall(r"(?m)^- \[([^]]+)\]\(#", page.read_text(encoding="utf-8"))
    headings = re.findall("(?m)^## (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")))
    return [] if contents in ([], headings) else contents


def test_every_table_of_contents_is_complete() -> None:
    assert wrong_on_pages(incomplete_contents) == {}


def test_every_page_is_linked_from_the_readme() -> None:
    links = {link.partition("#")[0] for link in LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert {str(page.relative_to(ROOT)) for page in PAGES[1:]} <= links


# Servers


def fragment(page: str) -> str:
    """Return the first fragment of a configuration on a server's page."""
    return next(block.text for block in CONFIGURATIONS if block.page == SERVERS / page and block.info != "ini")


def test_configurations_on_the_pages_of_servers_are_presets() -> None:
    shown = {block.text for block in CONFIGURATIONS if block.page.parent == SERVERS and block.info == "ini"}
    assert shown == {preset(name) for name in PRESETS}


DEFAULT_PROMPT = next(each.default for each in options.AUTH_OPTIONS if each.name == "prompt")


def seen(page: str) -> List[List[str]]:
    """Return the lines of the blocks below the heading `What users see` on a server's page."""
    part = (SERVERS / page).read_text(encoding="utf-8").split("\n## What users see\n")[1].split("\n## ")[0]
    return [match.group(3).splitlines() for match in FENCE.finditer(part) if not match.group(2)]


def test_rsa_new_pin(open_session: OpenSession, freeradius: FreeRadius) -> None:
    plain = aimed_at(preset("rsa"), server=HOST, port=freeradius.port, secret=freeradius.secret)
    session = open_session(plain, server_username="rsa")
    assert session.log_in("1111", *RSA_ANSWERS)["verdict"] == "ACCEPT"
    new_pin, next_code = seen("rsa.md")
    assert prompts(session) == [line + " " for line in new_pin + next_code[1:]]
    session = open_session(plain + fragment("rsa.md"), server_username="rsa")
    assert session.log_in("1111", *RSA_ANSWERS[1:])["verdict"] == "ACCEPT"


def asking(question: bytes, answers: List[bytes]) -> Server:
    """Return a server that challenges the first password, accepts the next, and appends both to `answers`."""

    def script(request: Request) -> List[bytes]:
        answers.append(request.password(SECRET))
        if not request.values(STATE):
            return [reply(request, SECRET, CHALLENGE, [(REPLY_MESSAGE, question), (STATE, b"state")])]
        return [reply(request, SECRET, ACCEPT)]

    return Server(script)


def to(server: Server, configuration: str) -> str:
    """Return a documented configuration for a scripted server."""
    return aimed_at(configuration, server=server.host, port=server.port, secret=SECRET.decode("ascii"))


def test_duo(open_session: OpenSession) -> None:
    challenge = preset("duo-challenge")
    answers: List[bytes] = []
    (menu,) = seen("duo.md")
    with asking("\n".join(menu[1:]).encode("utf-8"), answers) as server:
        session = open_session(to(server, challenge), gateway_user="alice")
        assert session.log_in("word")["verdict"] == "ACCEPT"
        session = open_session(to(server, challenge).replace("Duo Push =", "Phone call ="), gateway_user="alice")
        session.log_in("word", "2")
    assert prompts(session) == [menu[0] + " ", "\n".join(menu[1:]) + " "]
    assert answers == [b"word", b"1", b"word", b"2"]
    with Server(answering(SECRET, ACCEPT, [(25, b"OU=vpn users;")])) as server:
        shown = to(server, preset("duo-only"))
        open_session(shown, gateway_user="alice").log_in("")
        verdict = open_session(shown + fragment("duo.md"), gateway_user="alice").log_in("")
    assert [request.password(SECRET) for request in server.requests] == [b"push", b"push"]
    assert verdict["gateway_groups"] == ["vpn users"]


def test_nps(open_session: OpenSession) -> None:
    answers: List[bytes] = []
    password, verification = seen("nps.md")
    with asking(verification[0].encode("utf-8"), answers) as server:
        session = open_session(to(server, preset("nps")), gateway_user="alice")
        assert session.log_in("word", "123456")["verdict"] == "ACCEPT"
    assert prompts(session) == [password[0] + " ", verification[0] + " "]
    assert answers == [b"word", b"123456"]


def test_okta_menu(open_session: OpenSession) -> None:
    answers: List[bytes] = []
    with asking(b"Choose:\n1 - Okta Verify Push\n2 - SMS", answers) as server:
        session = open_session(to(server, preset("okta")) + fragment("okta.md"), gateway_user="alice")
        assert session.log_in("word")["verdict"] == "ACCEPT"
    assert answers == [b"word", b"1"]


def test_fortiauthenticator_push_is_an_empty_answer(open_session: OpenSession) -> None:
    answers: List[bytes] = []
    (shown,) = seen("fortiauthenticator.md")
    with asking(shown[1].encode("utf-8"), answers) as server:
        configuration = to(server, preset("fortiauthenticator"))
        session = open_session(configuration, gateway_user="alice")
        assert session.log_in("word", "")["verdict"] == "ACCEPT"
        assert prompts(session) == [line + " " for line in shown]
        session = open_session(configuration + fragment("fortiauthenticator.md"), gateway_user="alice")
        assert session.log_in("word")["verdict"] == "ACCEPT"
    assert answers == [b"word", b""] * 2


def test_safenet_push_is_a_letter(open_session: OpenSession) -> None:
    with Server(answering(SECRET)) as server:
        session = open_session(to(server, preset("safenet")), gateway_user="alice")
        assert session.log_in("")["verdict"] == "ACCEPT"
    assert [request.password(SECRET) for request in server.requests] == [b"p"]
    assert prompts(session) == [line + " " for (line,) in seen("safenet.md")]


def test_pages_show_the_prompts_of_their_presets() -> None:
    """The first line of the screen is the prompt of a preset of the page, or the default prompt."""
    wrong = []
    for page in sorted(SERVERS.glob("*.md")):
        texts = [preset(name) for name, each in PRESETS.items() if each.page == page.stem]
        wanted = {parse_ini(text).sections.get("auth", {}).get("prompt", DEFAULT_PROMPT) for text in texts}
        wrong += [(page.name, lines[0]) for lines in seen(page.name)[:1] if lines[0] not in wanted]
        wrong += [] if seen(page.name) else [(page.name, "no screen")]
    assert wrong == []


def test_privacyidea_push_is_confirmed_by_an_empty_answer(open_session: OpenSession) -> None:
    answers: List[bytes] = []
    with asking(b"Please confirm the authentication on your mobile device!", answers) as server:
        session = open_session(to(server, preset("privacyidea")), gateway_user="alice")
        assert session.log_in("PIN", "")["verdict"] == "ACCEPT"
    assert answers == [b"PIN", b""]


# Recovery codes


def test_documented_codes_and_lines_belong_together(open_session: OpenSession, down: str) -> None:
    (shown,) = [block for block in blocks(DOCS / "configuration.md") if "$ python3" in block.text]
    codes = re.findall(r"(?m)^    (\S+)$", shown.text)
    lines = re.findall("(?m)^alice = (.*)$", shown.text)
    assert [parse(line).matches(Secret(code)) for line, code in zip(lines, codes)] == [True, True]
    fragments = [block.text for block in CONFIGURATIONS if "[recovery_codes]" in block.text]
    assert [re.findall("(?m)^alice = (.*)$", fragment) for fragment in fragments] == [lines]
    (seen_by_user,) = [block.text for block in blocks(DOCS / "configuration.md") if "$ ssh alice@bastion" in block.text]
    session = open_session(down + "[recovery_codes]\nalice = " + lines[0] + "\n", gateway_user="alice")
    assert session.log_in("x", codes[0])["verdict"] == "ACCEPT"
    assert [line.rstrip() for line in prompts(session)] == seen_by_user.splitlines()[1:]


# Stored data


def first_column(page: pathlib.Path, heading: str) -> Set[str]:
    """Return the texts in backticks in the first column of the table below a heading."""
    part = page.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"(?m)^\| ([^|]*) \|", part)
    return {name for row in rows for name in re.findall("`([^`]+)`", row)}


def test_security_page_lists_the_cookie(open_session: OpenSession, freeradius: FreeRadius) -> None:
    session = open_session(everything(freeradius), gateway_user="pin1")
    cookies = []
    session.authenticate()
    for answer in ("wrong", "1111", "222222", "ticket 7"):
        session.answer(answer)
        cookies.append(json.dumps(session.cookie))
    session.authorize()
    cookies.append(json.dumps(session.cookie))
    documented = first_column(DOCS / "security.md", "What the cookie holds")
    assert set(session.cookie) == documented
    for typed in ("1111", "222222", "ticket 7"):
        assert not [cookie for cookie in cookies if f'"{typed}"' in cookie]
    assert session.session_cookie == {"questions": {"ticket": "ticket 7"}}
    # The cookie has the text and the State of a challenge only while the challenge is open.
    assert ["Enter token code" in cookie for cookie in cookies] == [False, True, False, False, False]
    assert [json.loads(cookie)["radius"]["server_state"] is None for cookie in cookies] == [
        True,
        False,
        True,
        True,
        True,
    ]


def test_security_page_has_the_time_limit_of_patterns() -> None:
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    assert f"After {PATTERN_SECONDS:g} seconds of processor time, the plugin" in text


def test_security_page_lists_the_state_directories(
    open_session: OpenSession, freeradius: FreeRadius, tmp_path: pathlib.Path
) -> None:
    for answers in (("correct horse", "t"), ("wrong", "wrong", "wrong")):
        session = open_session(everything(freeradius), gateway_user="alice")
        if session.log_in(*answers)["verdict"] == "ACCEPT":
            session.authorize()
    # The cache is not used with groups.
    cache = "[authentication_cache]\nreuse_limit=5\n"
    open_session(section(freeradius) + cache, gateway_user="alice").log_in("correct horse")
    recovery = new_code(os.urandom)
    codes = f"[recovery_codes]\nalice = {new_hash(recovery, os.urandom)}\n"
    with closed_port() as port:
        open_session(section(port, conn_timeout=0.1, conn_retries=1) + codes, gateway_user="alice").log_in(
            "x", recovery.reveal()
        )
    found = {}
    for kept in (True, False):
        directory = tmp_path / ("state" if kept else "state.ephemeral")
        for path in directory.iterdir():
            found["{}{}".format(path.name, "/" if path.is_dir() else "")] = path
    documented = first_column(DOCS / "security.md", "What is in the state directories") - {"user@address.cache"}
    assert set(found) == documented
    for name in ("lockout/", "accounting/", "recovery-codes/", "radius-servers/", "user-locks/"):
        for path in [found[name]] + list(found[name].iterdir()):
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def everything(freeradius: FreeRadius) -> str:
    """Return a configuration that makes the plugin store everything it can store."""
    return (
        section(freeradius)
        + f"[gateway_groups]\nattribute=Filter-Id\n[accounting]\nenabled=yes\nport={freeradius.acct_port}\n"
        + "[lockout]\nmax_failures=9\n[question_1]\nprompt=Ticket:\nkey=ticket\n[auth]\nserialize_user=yes\n"
        + "[connection_limit by=client_ip_gateway_user]\nlimit=5\n"
    )
