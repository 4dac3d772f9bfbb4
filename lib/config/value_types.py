"""The types of option values: the accepted texts, and the conversion of a text to a value."""

import binascii
import ipaddress
import re
import warnings
from typing import Callable, Optional, Pattern, Sequence, Tuple

from .. import log_lines
from ..namedtuple import NamedTuple
from ..secret import Secret
from ..text import did_you_mean, holds_control, holds_invisible, placeholders


class ValueType(NamedTuple):
    """A type of value: `expects` describes it; `parse` converts text or raises ValueError, which never quotes the text.

    `stored` names the type of entry in the Credential Store for a `$`. Numbers above `cap` count as `cap`.
    """

    expects: str
    parse: Callable[[str], object]
    stored: str = "password"
    cap: Optional[float] = None

    def read(self, text: str) -> object:
        """Parse text from a configuration; refuse a placeholder of the vendor's default.cfg."""
        if re.match(_PLACEHOLDER, text):
            raise ValueError("is a placeholder; replace it with a value")
        return self.parse(text)


_PLACEHOLDER = r"<(?:[\w$]+-){2,}\w+>\Z|<(?:group|id)-[0-9]+>(?:,|\Z)"
MAX_NAME_OCTETS = 253  # in an attribute, RFC 2865 section 5
COMMENT = r"\s[;#]"
QUOTED = r"""(?:(["'])(.*)\1|[“”„‘’‚«].*[“”‘’»])\Z"""


def _text(value: str) -> str:
    return value


def _identity(value: str) -> str:
    if not value or holds_control(value) or len(Secret(value).octets()) > MAX_NAME_OCTETS:
        raise expected(f"a name of at most {MAX_NAME_OCTETS} octets without control characters", value)
    return value


def _secret(value: str) -> Secret:
    if "\n" in value:
        raise ValueError("contains a line break")
    secret = Secret(value)
    secret.octets()
    return secret


Hints = Sequence[Tuple[str, str]]
"""Patterns of wrong values, and what is said about them. The value itself is not shown: it may be a secret."""

_HINTS: Hints = (
    (r"\Z", ", found nothing"),
    (f".*{COMMENT}", "; a comment needs a line of its own"),
    (QUOTED, "; write it without quotes"),
)
_HOST_HINTS: Hints = (
    (r"\[", "; write an IPv6 address without brackets"),
    (r"\w+://", "; write the name without the scheme and the path"),
)
_WORD_HINTS: Hints = (
    (r"(?i)(?:true|on|1|y)\Z", "; write yes"),
    (r"(?i)(?:false|off|0|n|never)\Z", "; write no"),
)
_NUMBER_HINTS: Hints = (
    (r"-?[0-9.]+\s*[A-Za-z]+\Z", "; write the number without a unit"),
    (r"[0-9]+,[0-9]+\Z", "; write a point instead of the comma"),
    (r".", ", found text"),
)


def expected(what: str, value: str, hints: Hints = ()) -> ValueError:
    """Return the error for a value that is not what is expected, with what was found or probably meant."""
    found = (hint for pattern, hint in (*_HINTS, *hints) if re.match(pattern, value, re.DOTALL))
    return ValueError(log_lines.EXPECTED.format(values=what + next(found, "")))


def invisible(value: str) -> int:
    """Return where the first character is that looks like nothing, or like a blank and is none; -1 if there is none."""
    odd = (match for match in re.finditer("[^ -~]", value) if _is_invisible(match.group()))
    return next((match.start() for match in odd), -1)


def _is_invisible(char: str) -> bool:
    return char.isspace() or holds_control(char) or holds_invisible(char)


def code_point(char: str) -> str:
    """Return the name of a character in the form U+00A0."""
    return f"U+{ord(char):04X}"


def _host(value: str) -> str:
    at = invisible(value)
    if at >= 0 and not value[at].isspace():
        raise ValueError(log_lines.INVISIBLE.format(code=code_point(value[at])))
    if re.search("[,;]", value) and not re.search(COMMENT, value):
        what = "one host name or address; a further server goes into a section of its own, such as [radius_2]"
        raise ValueError(log_lines.EXPECTED.format(values=what))
    if re.match(r"[^:]+:\d+\Z", value):
        raise ValueError("the port has its own option, `port`")
    if not re.match(r"""[^\s\[\]/"'<>]+\Z""", value):
        raise expected("a host name or an address", value, _HOST_HINTS)
    return value


def is_address(host: str) -> bool:
    """Whether a host is an IP address, possibly with a zone."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _optional_host(value: str) -> str:
    return _host(value) if value else value


def _optional_address(value: str) -> str:
    if value:
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise expected("an IP address", value) from None
    return value


def _yes_no(value: str) -> bool:
    if value.lower() not in ("yes", "no"):
        raise expected("yes or no", value, _WORD_HINTS)
    return value.lower() == "yes"


def _names(value: str) -> Tuple[str, ...]:
    """Split at commas; a name in double quotes may contain them, as in CSV."""
    names = value.split(",")
    if '"' in value:
        import csv  # few lists have quotes

        try:
            (names,) = csv.reader([re.sub(r'"\s+,', '",', value)], skipinitialspace=True, strict=True)
        except csv.Error:
            raise ValueError("expected a comma or nothing after the closing quote of a name") from None
    return tuple(name.strip() for name in names if name.strip())


def _protocols(value: str) -> Tuple[str, ...]:
    names = _names(value.lower())
    if not all(re.match(r"[a-z0-9_.-]+\Z", name) for name in names):
        raise expected("names of protocols, separated by commas", value)
    return names


def _encoding(value: str) -> str:
    try:
        if b"group".decode(value) == "group":
            return value
    except (LookupError, ValueError):
        pass
    raise expected("the name of an encoding that contains ASCII, such as utf-8 or cp1252", value)


def compile_pattern(pattern: str, flags: int = 0) -> Pattern[str]:
    """Compile a regular expression; raise ValueError, which does not quote it, if it is invalid."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of syntax that may change in the future
            return re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise ValueError(f"invalid regular expression: {getattr(error, 'msg', 'too much')}") from None


def _optional_pattern(value: str) -> Optional[Pattern[str]]:
    return compile_pattern(value) if value else None


def _number(
    convert: Callable[[str], float], what: str, low: float, high: float, cap: Optional[float] = None
) -> ValueType:
    expects = f"{what} from {low} to {high}"

    def parse(value: str) -> float:
        try:
            number = convert(value)
            if number != number:
                raise ValueError
        except ValueError:
            raise expected(expects, value, _NUMBER_HINTS) from None
        if number > high and cap is not None and number != float("inf"):
            return type(number)(high)
        if not low <= number <= high:
            found = "smaller" if number < low else "larger"
            raise expected(expects, value, [(".", f", found a {found} number")])
        return number

    return ValueType(expects, parse, cap=cap)


def whole_number(low: int, high: int, is_capped: bool = False) -> ValueType:
    """Return the type of integers from `low` to `high`; if it is capped, larger ones count as `high`."""
    return _number(int, "a whole number", low, high, high if is_capped else None)


def seconds(low: float, high: float, is_capped: bool = False) -> ValueType:
    """Return the type of durations from `low` to `high`; if it is capped, longer ones count as `high`."""
    return _number(float, "seconds", low, high, high if is_capped else None)


def choice(*values: str) -> ValueType:
    """Return the type of these values, in any case."""

    def parse(value: str) -> str:
        if value.lower() in values:
            return value.lower()
        meant = did_you_mean(value.lower(), values)
        raise expected(f"one of {', '.join(values)}", value, [(".", meant)])

    return ValueType(", ".join(values), parse)


def template(*allowed: str) -> ValueType:
    """Return the type of texts with these placeholders."""

    def parse(value: str) -> str:
        for name in placeholders(value):
            if name not in allowed:
                expected = ", ".join("{" + each + "}" for each in allowed) or "none"
                raise ValueError("unknown placeholder; expected " + expected)
        return value

    return ValueType("text" + "".join(", {" + name + "}" for name in allowed), parse)


_PEM = r"-----BEGIN ({0})-----([^-]*)-----END \1-----"
_CERTIFICATES = _PEM.format("CERTIFICATE")
_KEYS = _PEM.format("(?:RSA |EC |ENCRYPTED )?PRIVATE KEY")


def _certificates(value: str) -> str:
    """Return the certificates of a PEM text and drop everything else."""
    found = [match for match in re.finditer(_CERTIFICATES, value) if _is_der(match.group(2))]
    if value and (not found or len(found) < value.count("-----BEGIN CERTIFICATE")):
        raise ValueError(log_lines.EXPECTED.format(values="complete certificates in PEM"))
    return "\n".join(_lines(match.group()) for match in found) + "\n" if found else ""


def _certificate_and_key(value: str) -> Secret:
    """Return the certificates and the private key of a PEM text."""
    if not value:
        return Secret("")
    certificates = _certificates(value)
    keys = list(re.finditer(_KEYS, value))
    if "ENCRYPTED" in value:
        raise ValueError("the private key is encrypted, and the plugin cannot ask for the passphrase")
    if len(keys) != 1 or not _is_der(keys[0].group(2)):
        raise ValueError(log_lines.EXPECTED.format(values="one private key in PEM with the certificate"))
    return Secret(certificates + _lines(keys[0].group()) + "\n")


def _lines(text: str) -> str:
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())


def _is_der(base64: str) -> bool:
    """Whether Base64 encodes one complete DER sequence, so that nothing was lost when it was copied."""
    try:
        octets = binascii.a2b_base64("".join(base64.split()).encode("ascii"))
    except ValueError:
        return False
    if len(octets) < 2 or octets[0] != 0x30:
        return False
    count = octets[1] & 0x7F if octets[1] & 0x80 else 0
    size = int.from_bytes(octets[2 : 2 + count], "big") if count else octets[1]
    return len(octets) == 2 + count + size


TEXT = ValueType("text", _text)
IDENTITY = ValueType("text", _identity)
SUFFIX_SWITCH = ValueType("true, false", _text)
HOST = ValueType("host name or address", _host)
OPTIONAL_HOST = ValueType("host name or address", _optional_host)
SECRET = ValueType("text, or `$`", _secret)
OPTIONAL_ADDRESS = ValueType("IP address", _optional_address)
YES_NO = ValueType("yes, no", _yes_no)
NAMES = ValueType("comma-separated names", _names)
ENCODING = ValueType("name of an encoding", _encoding)
PROTOCOLS = ValueType("comma-separated names", _protocols)
OPTIONAL_PATTERN = ValueType("regular expression", _optional_pattern)
CERTIFICATES = ValueType("PEM, or `$[list]`", _certificates)
CERTIFICATE_AND_KEY = ValueType("PEM, or `$`", _certificate_and_key, "certificate")
