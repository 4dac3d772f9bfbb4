"""A NamedTuple that takes an eighth of the time of the one in `typing` to define; each hook defines about forty.

The one in `typing` compiles source text for each class. Classes here have fields with defaults, methods, `_fields`,
`_asdict` and `_replace`, and are equal to the tuple of their values. mypy sees the class of `typing`.
"""

from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:

    class _Fields(type):
        """Makes the fields, in the order of their annotations, and takes their values in the class for defaults."""

        def __new__(mcs, name, bases, members):
            fields = tuple(members.get("__annotations__", ()))
            defaults = {field: members[field] for field in fields if field in members}
            members.update((field, property(itemgetter(index))) for index, field in enumerate(fields))
            members.update(__slots__=(), _fields=fields, _defaults=defaults)
            return super().__new__(mcs, name, bases, members)

    class NamedTuple(tuple, metaclass=_Fields):
        """A tuple whose values have names."""

        def __new__(cls, *values, **named):
            """Take the values in their order or by name; raise TypeError if one is missing or too many."""
            if named or len(values) != len(cls._fields):
                given = dict(cls._defaults, **named)
                given.update(zip(cls._fields, values))
                wrong = set(cls._fields).symmetric_difference(given)
                if wrong or len(values) > len(cls._fields) or not named.keys().isdisjoint(cls._fields[: len(values)]):
                    raise TypeError(f"{cls.__name__}: its fields are {', '.join(cls._fields) or 'none'}")
                values = (given[field] for field in cls._fields)
            return tuple.__new__(cls, values)

        def _replace(self, **named):
            """Return the same with other values in these fields."""
            return type(self)(**dict(self._asdict(), **named))

        def _asdict(self):
            """Return the values by their names."""
            return dict(zip(self._fields, self))

        def __repr__(self):
            """Return the source text that would make it."""
            return f"{type(self).__name__}({', '.join(map('{}={!r}'.format, self._fields, self))})"

        def __getnewargs__(self):
            """Return what a copy is made from."""
            return tuple(self)
