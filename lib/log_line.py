"""What a line of the log is, for the declarations in `log_lines`."""

from typing import TYPE_CHECKING, Union

from .namedtuple import NamedTuple

if TYPE_CHECKING:
    from logging import Logger


class Line(NamedTuple):
    """A line of the log."""

    level: int
    text: str

    def format(self, **fields: object) -> str:
        """Return the text with its fields filled in."""
        return self.text.format(**fields)

    def log(self, logger: "Logger", **fields: object) -> None:
        """Log the line."""
        logger.log(self.level, self.format(**fields))


class Cause(NamedTuple):
    """What stands for `{cause}` in a line, or in another cause."""

    within: "Union[Line, Cause]"
    text: str

    def format(self, **fields: object) -> str:
        """Return the text with its fields filled in."""
        return self.text.format(**fields)
