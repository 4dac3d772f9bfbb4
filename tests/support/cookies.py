"""Cookies for the tests: any JSON object, and changes of a cookie that the plugin made."""

import copy
from typing import Any, Dict, List, Tuple

import hypothesis.strategies as st

_NAMES = st.sampled_from(["radius", "radius_session", "username", "questions", "login", "state", ""])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    # SPS passes JSON in UTF-8, which has no surrogates.
    | st.text(st.characters(blacklist_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(_NAMES, JSON, max_size=5)
"""Any JSON objects."""


def changed(cookie: Dict[str, Any]) -> Any:
    """Return a strategy for cookies in which one to three values were replaced, removed or added."""
    change = st.tuples(st.integers(0, 10**6), st.sampled_from(["replace", "remove", "add"]), _NAMES, JSON)
    return st.lists(change, min_size=1, max_size=3).map(lambda changes: _changed(cookie, changes))


def _changed(cookie: Dict[str, Any], changes: List[Tuple[int, str, str, Any]]) -> Dict[str, Any]:
    result = copy.deepcopy(cookie)
    for number, action, name, value in changes:
        places = list(_places(result))
        if not places:
            continue
        container, key = places[number % len(places)]
        if action == "replace":
            container[key] = value
        elif action == "remove":
            del container[key]
        elif isinstance(container, dict):
            container[name] = value
        else:
            container.append(value)
    return result


def _places(value: Any) -> List[Tuple[Any, Any]]:
    """Return every container in a value with each of its keys or indexes."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [place for key in keys for place in _places(value[key])]
