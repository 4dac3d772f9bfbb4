"""The light NamedTuple against typing's own: whatever is done to the one does the same to the other."""

import copy
import pickle
import typing
from typing import Any, Callable

import pytest

from lib import namedtuple


class Light(namedtuple.NamedTuple):
    """A tuple with all that one may have."""

    host: str
    port: int = 1812
    secret: typing.Optional[bytes] = None

    @property
    def place(self) -> str:
        """What is made of the fields."""
        return "{}:{}".format(self.host, self.port)

    @classmethod
    def nowhere(cls) -> "Light":
        """Make one."""
        return cls("")


class Heavy(typing.NamedTuple):
    """The same in the library's way."""

    host: str
    port: int = 1812
    secret: typing.Optional[bytes] = None

    @property
    def place(self) -> str:
        """What is made of the fields."""
        return "{}:{}".format(self.host, self.port)

    @classmethod
    def nowhere(cls) -> "Heavy":
        """Make one."""
        return cls("")


class LightNothing(namedtuple.NamedTuple):
    """One without fields."""


class HeavyNothing(typing.NamedTuple):
    """One without fields."""


def outcome(action: Callable[[Any, Any], Any], whole: Any, empty: Any) -> Any:
    """Return what comes of an action, or the type of what it raises."""
    try:
        return action(whole, empty)
    except (TypeError, AttributeError, ValueError) as error:
        return TypeError if isinstance(error, ValueError) else type(error)  # _replace raises TypeError from 3.13 on


def set_port(instance: Any) -> None:
    instance.port = 2


def set_new(instance: Any) -> None:
    instance.other = 2


@pytest.mark.parametrize(
    "action",
    [
        lambda whole, empty: whole("a"),
        lambda whole, empty: whole("a", 2, b"x"),
        lambda whole, empty: whole(secret=b"x", host="a"),
        lambda whole, empty: whole("a", secret=b"x").port,
        lambda whole, empty: whole(),
        lambda whole, empty: whole(port=2),
        lambda whole, empty: whole("a", 2, b"x", 4),
        lambda whole, empty: whole("a", 2, b"x", secret=b"y"),
        lambda whole, empty: whole("a", host="b"),
        lambda whole, empty: whole("a", other=1),
        lambda whole, empty: (whole("a") == ("a", 1812, None), whole("a") == whole("b"), hash(whole("a"))),
        lambda whole, empty: repr(whole("a", secret=b"x")).partition("(")[2],
        lambda whole, empty: whole("a")._replace(port=2),
        lambda whole, empty: type(whole("a")._replace(port=2)) is whole,
        lambda whole, empty: whole("a")._replace(other=2),
        lambda whole, empty: dict(whole("a")._asdict()),
        lambda whole, empty: list(whole("a")._asdict()),
        lambda whole, empty: whole._fields,
        lambda whole, empty: [type(each("a")) is whole for each in (whole, lambda host: copy.copy(whole(host)))],
        lambda whole, empty: copy.deepcopy(whole("a", 2)),
        lambda whole, empty: type(pickle.loads(pickle.dumps(whole("a", 2)))) is whole,
        lambda whole, empty: pickle.loads(pickle.dumps(whole("a", 2))),
        lambda whole, empty: set_port(whole("a")),
        lambda whole, empty: set_new(whole("a")),
        lambda whole, empty: (whole("a").place, whole.nowhere().place, len(whole("a")), list(whole("a"))),
        lambda whole, empty: (empty(), empty()._asdict(), bool(empty()), empty._fields),
        lambda whole, empty: empty(1),
        lambda whole, empty: repr(empty()).partition("(")[2],
    ],
)
def test_as_typing_has_it(action: Callable[[Any, Any], Any]) -> None:
    assert outcome(action, Light, LightNothing) == outcome(action, Heavy, HeavyNothing)
