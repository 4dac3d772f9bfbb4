"""What an option and a section are, for the declarations in `options` and `sdk_options`."""

from typing import Tuple

from ..namedtuple import NamedTuple
from .value_types import ValueType


class Option(NamedTuple):
    """An option: `default` is text as in the file, `tls_default` the default with transport=tls if it differs.

    `ignored` is the warning for an option that other plugins have and this one ignores.
    """

    name: str
    kind: ValueType
    default: str
    help: str
    required: bool = False
    ignored: str = ""
    tls_default: str = ""

    def over_tls(self) -> "Option":
        """Return the option of a server with transport=tls."""
        return self._replace(default=self.tls_default, required=False) if self.tls_default else self


class Section(NamedTuple):
    """A section; a `name` that ends in `_N` stands for numbered ones, which inherit from the section `first`.

    `sdk` tells whether the SDK reads the section. `open` describes a section whose option names the user chooses, and
    `example` shows lines of it; `lines` tells whether it is read line by line.
    """

    name: str
    options: Tuple[Option, ...]
    sdk: bool = False
    open: str = ""
    lines: bool = False
    example: Tuple[str, ...] = ()
    first: str = ""
