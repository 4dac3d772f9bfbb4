"""The error that ends an EAP login."""

from ... import log_lines, reasons


class EapError(Exception):
    """The end of a login without an answer of the server: `code` is the code of a denial, `text` is for the log.

    The text contains no secret, and nothing that the peer wrote. With `is_final`, no other server may be asked.
    """

    def __init__(self, code: str, text: str, is_final: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.is_final = is_final


def malformed(text: str) -> EapError:
    """Return the error for a packet that breaks the protocol."""
    return EapError(reasons.BAD_REPLY, log_lines.EAP_MALFORMED.format(cause=text))


def forged(text: str) -> EapError:
    """Return the error for a server that claims a success that it has not proved, which ends the login."""
    return EapError(reasons.MUTUAL_AUTH_FAILED, log_lines.EAP_UNPROVED.format(cause=text), is_final=True)
