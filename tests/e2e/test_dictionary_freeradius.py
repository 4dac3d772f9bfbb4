"""The plugin's dictionary against the dictionary files that FreeRADIUS installs."""

from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import pytest

from lib.radius.attributes import find, refusal
from tests.support.cases import for_each
from tests.support.dictionary import NAMES, VALUES, number_of
from tests.support.radiusd import NOT_INSTALLED

FREERADIUS = Path("/usr/share/freeradius")
FILES = (
    "rfc2865 rfc2866 rfc2867 rfc2868 rfc2869 rfc3162 rfc3576 rfc4372 rfc5176 rfc5580 rfc5607 rfc6911 microsoft cisco"
    " cisco.asa fortinet paloalto juniper netscreen checkpoint f5 citrix"
).split()


def lines(file: str) -> Iterator[Tuple[List[str], int]]:
    """Give the lines of a dictionary file as words, each with the number of its vendor."""
    vendor = 0
    for line in (FREERADIUS / ("dictionary." + file)).read_text(encoding="latin-1").splitlines():
        words = line.split("#")[0].split()
        if words[:1] == ["VENDOR"]:
            vendor = int(words[2])
        elif words:
            yield words, vendor


@pytest.mark.skipif(not FREERADIUS.is_dir(), reason=NOT_INSTALLED)
@for_each(FILES)
def test_dictionary_agrees_with_freeradius(file: str) -> None:
    # FreeRADIUS may have several names for one number. The plugin has one of them, as FreeRADIUS has when it reads.
    names: Dict[Tuple[int, int], List[str]] = {}
    values: Dict[str, Dict[int, List[str]]] = {}
    wrong = []
    for words, vendor in lines(file):
        if words[0] == "ATTRIBUTE":
            ours = find(number_of(vendor, int(words[2])))
            kind, options = words[3].split("[")[0].lower(), ",".join(words[4:])
            names.setdefault(ours.key, []).append(words[1])
            same_kind = ours.kind == {"vsa": "octets"}.get(kind, kind) or ours.name == "User-Password"
            encrypted = "encrypt" in options
            if not same_kind or ours.tagged != ("has_tag" in options) or encrypted and not refusal(ours):
                wrong.append(words)
        elif words[0] == "VALUE":
            values.setdefault(words[1], {}).setdefault(int(words[3], 0), []).append(words[2])
    wrong += [spellings for key, spellings in names.items() if find(number_of(*key)).name not in spellings]
    for name in set(values) & set(NAMES):
        for number, spellings in values[name].items():
            ours_named = [value for of, value, at in VALUES if (of, at) == (name, number)]
            if len(ours_named) != 1 or ours_named[0] not in spellings:
                wrong.append([name] + spellings)
    assert wrong == []
