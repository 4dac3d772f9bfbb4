"""The interface of the methods that run inside a tunnel."""

import abc
from typing import Callable, List, Union

from ... import reasons
from ...namedtuple import NamedTuple
from ...secret import Secret
from .. import mschap
from .errors import EapError, forged
from .tunnel import TLS_1_3, Tunnel

Random = Callable[[int], bytes]

_PROTECTED_SUCCESS = b"\0"  # RFC 9190 section 2.1.1


class TunnelChallenge(NamedTuple):
    """A question inside the tunnel, as received; `EapLogin.answer` answers it."""

    message: bytes


class InnerMethod(abc.ABC):
    """The client of a login inside an established tunnel.

    `messages` are the texts for the user, as received; `is_complete` is whether all that the method can verify is
    verified.
    """

    def __init__(self, user_name: str, password: Secret, tunnel: Tunnel, random: Random) -> None:
        """Raise EapError if the password cannot be used."""
        self.messages: List[bytes] = []
        self.is_complete = False
        self._user_name = user_name
        self._password = password
        self._tunnel = tunnel
        self._random = random
        self._has_ended = False

    def receive(self, octets: bytes, identifier: int) -> Union[bytes, TunnelChallenge]:
        """Return what to send inside the tunnel, nothing for an acknowledgment; raise EapError.

        `octets` are what the server wrote inside the EAP request of this identifier; empty if it wrote nothing.
        """
        if octets == _PROTECTED_SUCCESS and self._tunnel.version == TLS_1_3 and not self._has_ended:
            self._has_ended = self.is_complete  # it proves nothing before
            octets = b""
        elif octets and self._has_ended:
            raise forged("data after the end of the login inside the tunnel")
        return self.process(octets, identifier)

    @abc.abstractmethod
    def process(self, octets: bytes, identifier: int) -> Union[bytes, TunnelChallenge]:
        """Do what `receive` says, except for the end of TLS 1.3."""

    @property
    @abc.abstractmethod
    def key_material(self) -> bytes:
        """The MSK, 64 octets; only with an exporter."""


def check_mschapv2(user_name: str, password: Secret) -> None:
    """Raise EapError if a password cannot be used with MS-CHAPv2."""
    unused = bytes(mschap.CHALLENGE_OCTETS)
    try:
        mschap.response(user_name, password, unused, unused, 0)
    except ValueError as error:
        raise EapError(reasons.BAD_PASSWORD, str(error)) from None
