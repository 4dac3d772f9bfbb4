"""A container for text that must never be shown: a shared secret, a password, a one-time code."""


class Secret:
    """Text that `repr` and `str` do not show, so that no log line or exception contains it by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def octets(self) -> bytes:
        """Return the text in UTF-8; raise ValueError, without the text in it, if it cannot be encoded."""
        try:
            return self._text.encode("utf-8")
        except UnicodeEncodeError:
            pass
        raise ValueError("holds characters that UTF-8 cannot encode")

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__
