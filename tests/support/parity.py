"""Runs a situation against a plugin, the project's or the vendor's, with a scripted RADIUS server."""

from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from simulator.fork_server import ForkServer
from simulator.gateway import ContractBroken, HookFailed, Session, UnpackedPlugin
from tests.support.misbehaving import FIRST, MESSAGE_AUTHENTICATOR, SECRET, STATE, Attribute, Request, Server, reply
from tests.support.plugin import section

ACCESS_REQUEST = 1
WRONG = "wrong"
NO_OCTETS = "(no octets)"
"""A User-Password attribute without a value, which servers discard."""


_MAX_SHOWN = 30


class Reply(NamedTuple):
    """A reply of the server; `signature` is as in `misbehaving.reply`, or WRONG."""

    code: int
    attributes: Tuple[Attribute, ...] = ()
    signature: Optional[str] = FIRST


class Situation(NamedTuple):
    """A configuration, the arguments of the hook, the answers of the user, and the replies of the server.

    `radius` and `auth` are lines for these sections, and `sections` further ones. `arguments` are those of
    `simulator.gateway.Session`. The server sends one of `replies` to each new request, and nothing after the last.
    """

    replies: Tuple[Reply, ...] = ()
    answers: Tuple[str, ...] = ()
    arguments: Mapping[str, Any] = {}
    sections: str = ""
    auth: str = "disable_echo=no\n"
    radius: str = ""
    fixtures: Mapping[str, Any] = {}


class Outcome(NamedTuple):
    """What became of a situation.

    `verdict` is the last one, NEEDINFO if a question was left without an answer, FAILED if the hook raised an
    exception, or STUCK if it asked where SPS cannot. `user` and `groups` are those in the verdict, None if SPS keeps
    its own. `questions` are the prompts without white space at the end, with `***` if the answer is hidden. `requests`
    are User-Name and password, with `+State` if the request has one.
    """

    verdict: str
    user: Optional[str] = None
    groups: Optional[Tuple[str, ...]] = None
    questions: Tuple[str, ...] = ()
    requests: Tuple[str, ...] = ()


def run(
    situation: Situation, plugin: Path, state_directory: Path, fork_server: ForkServer
) -> Tuple[Outcome, Dict[str, Any], str]:
    """Return the outcome of a situation with an unpacked plugin, its last result, and the log."""
    left = list(situation.replies)
    sent: Dict[bytes, List[bytes]] = {}

    def script(request: Request) -> Sequence[bytes]:
        if request.octets[0] != ACCESS_REQUEST:
            return []
        if request.authenticator not in sent:  # a retransmission gets the same reply
            sent[request.authenticator] = [_encoded(request, left.pop(0))] if left else []
        return sent[request.authenticator]

    with Server(script) as server:
        text = section(server) + situation.radius + "[auth]\n" + situation.auth + situation.sections
        unpacked = UnpackedPlugin(
            plugin, text, state_directory=state_directory, fixtures=situation.fixtures, fork_server=fork_server
        )
        session = Session(unpacked, **situation.arguments)
        verdict, result = _log_in(session, situation.answers)
    requests = {each.authenticator: each for each in server.requests if each.octets[0] == ACCESS_REQUEST}
    groups = result.get("gateway_groups")
    outcome = Outcome(
        verdict,
        result.get("gateway_user"),
        None if groups is None else tuple(groups),
        tuple(each.prompt.rstrip() + "***" * each.disable_echo for each in session.questions),
        tuple(map(_shown, requests.values())),
    )
    return outcome, result, "\n".join(session.log)


def _log_in(session: Session, answers: Sequence[str]) -> Tuple[str, Dict[str, Any]]:
    """Authenticate until there is a verdict or no answer is left; return what came of it, and the last result."""
    result: Dict[str, Any] = {}
    try:
        result = session.authenticate()
        for answer in answers:
            if result["verdict"] == "NEEDINFO":
                result = session.answer(answer)
    except HookFailed:
        return "FAILED", {}
    except ContractBroken:
        return "STUCK", {}
    return result["verdict"], result


def _encoded(request: Request, answer: Reply) -> bytes:
    if answer.signature != WRONG:
        return reply(request, SECRET, answer.code, answer.attributes, answer.signature)
    return reply(request, SECRET, answer.code, ((MESSAGE_AUTHENTICATOR, bytes(16)), *answer.attributes), None)


def _shown(request: Request) -> str:
    (name,) = request.values(1)
    passwords = request.values(2)
    password = "(CHAP)" if request.values(3) else "(none)"
    if passwords:
        password = request.password(SECRET).decode("utf-8", "replace") if passwords[0] else NO_OCTETS
        if len(password) > _MAX_SHOWN:
            password = f"({len(password)} characters)"
    return "{} {}{}".format(name.decode("utf-8", "replace"), password, " +State" if request.values(STATE) else "")
