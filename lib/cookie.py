"""What the cookie carries, pure: named tuples as JSON and back, refused unless each value has the type of its field."""

import base64
import math
from typing import Any, Tuple, Type, TypeVar, Union

INVALID = "a field is missing, unknown or of another type"
_Decoded = TypeVar("_Decoded")


def encode(value: object) -> Any:
    """Return a named tuple as JSON can carry it; octets become base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", None)
        return [encode(each) for each in value] if fields is None else dict(zip(fields, map(encode, value)))
    return value


def decode(kind: Type[_Decoded], value: object) -> _Decoded:
    """Return the named tuple that `encode` took; raise ValueError, without any content, if it is anything else."""
    try:
        decoded: _Decoded = _decode(kind, value)
    except (ValueError, OverflowError):
        raise ValueError(INVALID) from None
    return decoded


def _decode(kind: Any, value: object) -> Any:
    generic = getattr(kind, "__origin__", None)
    if hasattr(kind, "_fields") and isinstance(value, dict) and set(value) == set(kind._fields):
        return kind(**{name: _decode(kind.__annotations__[name], each) for name, each in value.items()})
    if generic is Union:
        return None if value is None else _decode(kind.__args__[0], value)
    if generic in (tuple, Tuple) and isinstance(value, list):
        kinds = kind.__args__
        kinds = kinds[:1] * len(value) if kinds[1:] == (...,) else kinds
        if len(kinds) == len(value):
            return tuple(map(_decode, kinds, value))
    if kind is bytes and isinstance(value, str):
        return base64.b64decode(value, validate=True)
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if kind in (str, int, bool) and type(value) is kind:
        return value
    raise ValueError(INVALID)
