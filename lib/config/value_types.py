"""The types of option values: the accepted texts, and the conversion of a text to a value."""

import binascii
import ipaddress
import re
from typing import Callable, Optional, Pattern, Tuple

from .. import log_lines
from ..namedtuple import NamedTuple
from ..secret import Secret
from ..text import did_you_mean, placeholders


class ValueType(NamedTuple):
    """A type of value: `expects` describes it; `parse` converts text or raises ValueError, which never quotes the text.

    `stored` names the type of entry in the Credential Store for a `$`.
    """

    expects: str
    parse: Callable[[str], object]
    stored: str = "password"


def _text(value: str) -> str:
    return value


def _secret(value: str) -> Secret:
    if "\n" in value:
        raise ValueError("contains a line break")
    secret = Secret(value)
    secret.octets()
    return secret


def _expected(values: str) -> ValueError:
    return ValueError(log_lines.EXPECTED.format(values=values))


def _host(value: str) -> str:
    if re.search("[,;]", value):
        raise ValueError(
            log_lines.EXPECTED.format(values="one host name or address; put each further server into its own section")
        )
    if re.match(r"[^:]+:\d+\Z", value):
        raise ValueError("the port has its own option, `port`")
    if not re.match(r"[^\s\[\]/]+\Z", value):
        raise _expected("a host name or an address")
    return value


def _optional_host(value: str) -> str:
    return _host(value) if value else value


def _optional_address(value: str) -> str:
    if value:
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise _expected("an IP address") from None
    return value


def _yes_no(value: str) -> bool:
    if value.lower() not in ("yes", "no"):
        raise _expected("yes or no")
    return value.lower() == "yes"


def _names(value: str) -> Tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _lower_case_names(value: str) -> Tuple[str, ...]:
    return _names(value.lower())


def _encoding(value: str) -> str:
    try:
        if b"group".decode(value) == "group":
            return value
    except (LookupError, ValueError):
        pass
    raise _expected("the name of an encoding that contains ASCII, such as utf-8 or cp1252")


def compile_pattern(pattern: str, flags: int = 0) -> Pattern[str]:
    """Compile a regular expression; raise ValueError, which does not quote it, if it is invalid."""
    try:
        return re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise ValueError(f"invalid regular expression: {getattr(error, 'msg', 'too much')}") from None


def _optional_pattern(value: str) -> Optional[Pattern[str]]:
    return compile_pattern(value) if value else None


def _number(convert: Callable[[str], float], what: str, low: float, high: float) -> ValueType:
    expects = f"{what} from {low} to {high}"

    def parse(value: str) -> float:
        try:
            number = convert(value)
        except ValueError:
            raise _expected(expects) from None
        if not low <= number <= high:
            raise _expected(expects)
        return number

    return ValueType(expects, parse)


def whole_number(low: int, high: int) -> ValueType:
    """Return the type of integers from `low` to `high`."""
    return _number(int, "a whole number", low, high)


def seconds(low: float, high: float) -> ValueType:
    """Return the type of durations from `low` to `high`."""
    return _number(float, "seconds", low, high)


def choice(*values: str) -> ValueType:
    """Return the type of these values, in any case."""

    def parse(value: str) -> str:
        if value.lower() in values:
            return value.lower()
        raise _expected(f"one of {', '.join(values)}{did_you_mean(value.lower(), values)}")

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
        raise ValueError(
            log_lines.EXPECTED.format(values="complete certificates in PEM, with every line after the first indented")
        )
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
        raise _expected("one private key in PEM with the certificate")
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
HOST = ValueType("host name or address", _host)
OPTIONAL_HOST = ValueType("host name or address", _optional_host)
SECRET = ValueType("text, or `$`", _secret)
OPTIONAL_ADDRESS = ValueType("IP address", _optional_address)
YES_NO = ValueType("yes, no", _yes_no)
NAMES = ValueType("comma-separated names", _names)
LOWER_CASE_NAMES = ValueType("comma-separated names", _lower_case_names)
ENCODING = ValueType("name of an encoding", _encoding)
OPTIONAL_PATTERN = ValueType("regular expression", _optional_pattern)
CERTIFICATES = ValueType("PEM, or `$[list]`", _certificates)
CERTIFICATE_AND_KEY = ValueType("PEM, or `$`", _certificate_and_key, "certificate")
