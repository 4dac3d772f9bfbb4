"""The light NamedTuple against typing's own: every action has the same outcome on both."""

import copy
import pickle
import typing
from typing import Any

from lib import namedtuple


class Light(namedtuple.NamedTuple):
    """A tuple with everything a NamedTuple may have."""

    host: str
    port: int = 1812
    secret: typing.Optional[bytes] = None

    @property
    def place(self) -> str:
        """A property made from fields."""
        return f"{self.host}:{self.port}"

    @classmethod
    def nowhere(cls) -> "Light":
        """A class method that makes an instance."""
        return cls("")


class Heavy(typing.NamedTuple):
    """The same, made by the standard library."""

    host: str
    port: int = 1812
    secret: typing.Optional[bytes] = None

    @property
    def place(self) -> str:
        """A property made from fields."""
        return f"{self.host}:{self.port}"

    @classmethod
    def nowhere(cls) -> "Heavy":
        """A class method that makes an instance."""
        return cls("")


class LightNothing(namedtuple.NamedTuple):
    """A tuple without fields."""


class HeavyNothing(typing.NamedTuple):
    """A tuple without fields."""


ACTIONS = """
whole("a")
whole("a", 2, b"x")
whole(secret=b"x", host="a")
whole("a", secret=b"x").port
whole()
whole(port=2)
whole("a", 2, b"x", 4)
whole("a", 2, b"x", secret=b"y")
whole("a", host="b")
whole("a", other=1)
whole("a") == ("a", 1812, None), whole("a") == whole("b"), hash(whole("a"))
repr(whole("a", secret=b"x")).partition("(")[2]
whole("a")._replace(port=2)
type(whole("a")._replace(port=2)) is whole
whole("a")._replace(other=2)
dict(whole("a")._asdict())
list(whole("a")._asdict())
whole._fields
type(whole("a")) is whole, type(copy.copy(whole("a"))) is whole
copy.deepcopy(whole("a", 2))
type(pickle.loads(pickle.dumps(whole("a", 2)))) is whole
pickle.loads(pickle.dumps(whole("a", 2)))
setattr(whole("a"), "port", 2)
setattr(whole("a"), "other", 2)
whole("a").place, whole.nowhere().place, len(whole("a")), list(whole("a"))
empty(), empty()._asdict(), bool(empty()), empty._fields
empty(1)
repr(empty()).partition("(")[2]
""".strip().splitlines()


def outcome(action: str, whole: Any, empty: Any) -> Any:
    """Return the value of an action, or the type of what it raises."""
    try:
        return eval(action, {"copy": copy, "pickle": pickle, "whole": whole, "empty": empty})
    except (TypeError, AttributeError, ValueError) as error:
        return TypeError if isinstance(error, ValueError) else type(error)  # _replace raises TypeError from 3.13 on


def test_every_action_has_the_same_outcome_as_with_typing() -> None:
    light = {action: outcome(action, Light, LightNothing) for action in ACTIONS}
    assert light == {action: outcome(action, Heavy, HeavyNothing) for action in ACTIONS}
