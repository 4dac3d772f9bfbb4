"""The data of a conversation: input from SPS, state in the cookie, actions, and the outcomes of requests."""

from typing import Mapping, Optional, Sequence, Tuple, Union

from ..namedtuple import NamedTuple
from ..secret import Secret

USERNAME, PASSWORD, CHALLENGE, RECOVERY = "username", "password", "challenge", "recovery"
QUESTIONS = (USERNAME, PASSWORD, CHALLENGE, RECOVERY)
"""What a question to the user can be for."""

PROTOCOLS_WITH_QUESTIONS = ("rdp", "ssh", "telnet")
"""The protocols in which SPS can show a question."""

Origin = Tuple[str, str, int]
"""Section, address and port of the server that sent a challenge."""


class HookCall(NamedTuple):
    """What SPS passes to `authenticate`.

    `can_ask` is whether SPS can show a question in this protocol. Without `has_password_prompt`, none of them is for
    the password: that in the login name is used, or push.
    """

    gateway_user: Optional[str]
    server_username: Optional[str]
    pairs: Mapping[str, str]
    can_ask: bool
    has_password_prompt: bool = True

    @property
    def can_ask_password(self) -> bool:
        """Whether the user can be asked for the password."""
        return self.can_ask and self.has_password_prompt

    @classmethod
    def of(
        cls,
        protocol: str,
        password_protocols: Sequence[str],
        gateway_user: Optional[str],
        server_username: Optional[str],
        pairs: Mapping[str, str],
    ) -> "HookCall":
        """Return a call in a protocol: `[auth] interactive_protocols` is about the password prompt, as in the SDK."""
        has_password_prompt = protocol.lower() in password_protocols
        can_ask = has_password_prompt or protocol.lower() in PROTOCOLS_WITH_QUESTIONS
        return cls(gateway_user, server_username, pairs, can_ask, has_password_prompt)


class State(NamedTuple):
    """The state of a conversation from one hook call to the next.

    `question` is the purpose of the open question, if there is one, and `question_key` the key under which the answer
    arrives; `question_count` makes every key new, so that an old answer never counts for a new question. `notice` is
    shown before the next question. `name_round` counts how often the name was asked for again. `password_used` is
    whether the password in the login name was sent. `attempts` are the reasons of the failed ones.

    The rest is about the challenges of the current attempt, except `all_challenges`, which counts those of all:
    `server_state` is the State attribute (RFC 2865 section 5.24), which may be absent, `origin` the server that sent
    it, and `used_answers` the lines of [challenge_answers] that were used.
    """

    question: str = ""
    question_key: str = ""
    question_count: int = 0
    notice: str = ""
    typed_name: str = ""
    name_round: int = 0
    password_used: bool = False
    attempts: Tuple[str, ...] = ()
    all_challenges: int = 0
    challenges: int = 0
    prompt: str = ""
    echo: bool = False
    server_state: Optional[bytes] = None
    origin: Optional[Origin] = None
    used_answers: Tuple[int, ...] = ()

    def without_challenge(self) -> "State":
        """Return the state of an attempt without a challenge."""
        return self._replace(challenges=0, prompt="", echo=False, server_state=None, origin=None, used_answers=())


class Identity(NamedTuple):
    """The user name for SPS, and the RADIUS User-Name that the user typed: `override` is used, `ignored` is not."""

    name: str
    override: str = ""
    ignored: str = ""


# Actions: what the hook does next


class Ask(NamedTuple):
    """Ask the user; the answer comes under `key`."""

    key: str
    prompt: str
    disable_echo: bool


class SendRequest(NamedTuple):
    """Send an Access-Request: to `origin` if it answers a challenge, else to the servers in their order."""

    password: Secret
    server_state: Optional[bytes]
    origin: Optional[Origin]


class CheckRecoveryCode(NamedTuple):
    """Compare what the user typed with the hashes of the user's recovery codes; never send it to a server."""

    code: Secret


class Accept(NamedTuple):
    """Admit the user: with `groups` if they came from the server, or because of a recovery code."""

    groups: Optional[Tuple[str, ...]] = None
    by_recovery_code: bool = False


class Deny(NamedTuple):
    """Deny the login: `code` is one of lib.reasons, `detail` is one safe line, `minutes` is for a lockout's text."""

    code: str
    detail: str = ""
    minutes: int = 0


# Outcomes of a request.


class Accepted(NamedTuple):
    """The server sent an Access-Accept; `groups` is what [gateway_groups] makes of it, None without that section."""

    groups: Optional[Tuple[str, ...]] = None


class Rejected(NamedTuple):
    """The server sent an Access-Reject; `message` is its Reply-Message made safe."""

    message: str


class Challenged(NamedTuple):
    """The server sent an Access-Challenge; `echo` is the value of its Prompt, None if there was none.

    `answered_by` is the first unused line of [challenge_answers] whose pattern matches, counted from 0, if there is
    one. A pattern may take exponential time: the caller matches it, within a time limit.
    """

    message: str
    echo: Optional[bool]
    server_state: Optional[bytes]
    origin: Origin
    answered_by: Optional[int] = None


class PasswordUnusable(NamedTuple):
    """RADIUS cannot carry the password; this counts as a failed attempt."""

    message: str


class NoResponse(NamedTuple):
    """No server gave a valid answer; `code` says why, `is_alive` whether any of them proved that it is up."""

    code: str
    is_alive: bool = False


class NotSent(NamedTuple):
    """The request was not sent, and another attempt would not help; `code` says why."""

    code: str


class Locked(NamedTuple):
    """Nothing was sent or compared: the user or the client is locked out for so many seconds."""

    seconds: float


class OriginUnavailable(NamedTuple):
    """The server that sent the challenge is no longer configured; its State must not go to another."""


# Outcomes of a check; Locked is one of them, too.


class CodeAccepted(NamedTuple):
    """The recovery code is one of the user's, and its first use has been recorded."""


class CodeRejected(NamedTuple):
    """The recovery code is not one of the user's, or it has been used; this counts as a failed attempt."""


class CodeNotRecorded(NamedTuple):
    """The recovery code is one of the user's, but its use cannot be recorded."""


Action = Union[Ask, SendRequest, CheckRecoveryCode, Accept, Deny]
Outcome = Union[Accepted, Rejected, Challenged, PasswordUnusable, NoResponse, NotSent, Locked, OriginUnavailable]
CheckOutcome = Union[CodeAccepted, CodeRejected, CodeNotRecorded, Locked]
