"""The section [recovery_codes]. Only a configuration that has it imports this."""

from typing import Dict, List, Tuple

from ..recovery_code import RecoveryHash, parse
from ..text import canonical, field
from .reader import ConfigurationError, Reader

_SECTION = "recovery_codes"
MAX_CODES = 20  # for a user: a wrong code is compared with all of them, which takes some 100 ms


def read_recovery_codes(reader: Reader) -> Dict[str, Tuple[RecoveryHash, ...]]:
    """Return the hashes of each user's recovery codes, by the canonical name."""
    found: Dict[str, List[RecoveryHash]] = {}
    for place, name, text in reader.pairs(_SECTION, "name = hash", may_be_empty=False):
        codes = found.setdefault(canonical(name), [])
        with reader.reporting(_SECTION, place):
            try:
                codes += _hashes(reader, name, text)
                if len(codes) > MAX_CODES:
                    raise ValueError(f"more than {MAX_CODES} recovery codes for one user")
            except (ValueError, ConfigurationError) as error:
                raise ValueError(f"{field(name)}: {error}") from None
    return {name: tuple(codes) for name, codes in found.items()}


def _hashes(reader: Reader, name: str, text: str) -> List[RecoveryHash]:
    """Return the hashes of a line: its own, or those that the Credential Store has for the name."""
    texts = reader.stored(_SECTION, name).replace(",", " ").split() if text == "$" else [text]
    return [parse(each) for each in texts]
