"""Settings: a complete valid configuration, and its parts."""

from typing import TYPE_CHECKING, Mapping, Optional, Pattern, Tuple

from ..namedtuple import NamedTuple
from ..radius.server import ServerSettings
from ..secret import Secret

if TYPE_CHECKING:
    from ..radius.attributes import Attribute
    from ..recovery_code import RecoveryHash


class AuthSettings(NamedTuple):
    """The options of [auth]."""

    prompt: str
    disable_echo: bool
    interactive_protocols: Tuple[str, ...]
    push_password: Secret
    max_attempts: int
    max_challenges: int
    serialize_user: bool = False
    show_reject_reason: bool = True


class UsernameSettings(NamedTuple):
    """The options of [username] that are about asking for the name."""

    prompt: str
    disable_echo: bool
    allow_override: bool


class NameRules(NamedTuple):
    """How a server expects User-Names: the options strip_realm, strip_domain, add_prefix and add_suffix.

    Prefix and suffix may contain the names of `options.DOMAINS` in braces.
    """

    strip_realm: bool = False
    strip_domain: bool = False
    add_prefix: str = ""
    add_suffix: str = ""


class ChallengeAnswer(NamedTuple):
    """A line of [challenge_answers]: a challenge that `pattern` matches is answered with `answer`.

    `place` is where the line is in the file, as in `line 5`.
    """

    pattern: Pattern[str]
    answer: Secret
    place: str = ""


class GroupRules(NamedTuple):
    """How attribute values become gateway groups; names are compared case-sensitively."""

    attributes: Tuple[Tuple[int, int], ...]
    """Vendor and type of the attributes whose values are read."""
    pattern: Optional[Pattern[str]] = None
    """Every match in a value is a name: its group `name`, its first group or all of it. None: the whole value."""
    separator: str = ""
    """Text between several names in what the pattern matched; empty if there is only one name."""
    mapping: Tuple[Tuple[str, str], ...] = ()
    """Pairs of the server's name and the gateway group; a name may have several."""
    keep_unmapped: bool = True
    """Whether a name without a pair is a gateway group too."""
    required_groups: Tuple[str, ...] = ()
    """Gateway groups of which a login needs one; none is needed if empty."""
    encoding: str = "utf-8"


class RadiusAttribute(NamedTuple):
    """A line of [radius_attributes]: the attribute, and the text that its value is made from.

    `place` is as in `line 5`. A request is sent without an `optional` attribute whose value does not fit the session.
    """

    attribute: "Attribute"
    text: str
    place: str
    optional: bool = False


class AccountingSettings(NamedTuple):
    """The options of [accounting]: the servers, and the seconds that accounting may add to a login."""

    servers: Tuple[ServerSettings, ...]
    timeout: float


class LockoutRules(NamedTuple):
    """`max_failures` (0: no lockout) within `window` seconds lock for `duration` seconds.

    Counted by user name, by client address, or by both, each on its own.
    """

    max_failures: int = 0
    window: float = 600.0
    duration: float = 900.0
    by_user: bool = True
    by_client: bool = False
    max_challenges: int = 10
    """Of [auth]: as many more attempts of a user may be unfinished."""


class Settings(NamedTuple):
    """A complete valid configuration; None turns a part off.

    `name_rules` has the rules of each server by its section, `messages` only texts that differ from the default,
    `dictionary` the attributes that [radius_dictionary] defines, and `recovery_codes` those of each user by the
    canonical name.
    """

    servers: Tuple[ServerSettings, ...]
    total_timeout: float
    dead_time: float
    auth: AuthSettings
    username: UsernameSettings
    challenge_answers: Tuple[ChallengeAnswer, ...]
    name_rules: Mapping[str, NameRules] = {}
    groups: Optional[GroupRules] = None
    attributes: Tuple[RadiusAttribute, ...] = ()
    accounting: Optional[AccountingSettings] = None
    lockout: Optional[LockoutRules] = None
    messages: Mapping[str, str] = {}
    dictionary: "Tuple[Attribute, ...]" = ()
    recovery_codes: "Mapping[str, Tuple[RecoveryHash, ...]]" = {}
