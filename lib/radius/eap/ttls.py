"""The methods inside EAP-TTLS: PAP and MS-CHAPv2 (RFC 5281 sections 11.2.4 and 11.2.5)."""

import abc
from typing import Tuple, Union

from ... import log_lines, reasons
from ...secret import Secret
from .. import mschap
from . import avp
from .errors import EapError, forged, malformed
from .inner import InnerMethod, Random, TunnelChallenge, check_mschapv2
from .keys import key_material
from .message import TTLS
from .tunnel import Tunnel

_MAX_PASSWORD_OCTETS = 128  # RFC 2865 section 5.2: the home server may forward it
_BLOCK = 16  # a password is padded to a multiple, so that its length does not show
_KNOWN = (
    (0, avp.REPLY_MESSAGE),
    (0, avp.STATE),
    (avp.MICROSOFT, avp.MS_CHAP_ERROR),
    (avp.MICROSOFT, avp.MS_CHAP2_SUCCESS),
)


class _TtlsMethod(InnerMethod):
    """What both methods share: the client begins, and the server answers with AVPs, or only outside."""

    _has_begun = False

    @property
    def key_material(self) -> bytes:
        return key_material(self._tunnel, TTLS)

    def process(self, octets: bytes, identifier: int) -> Union[bytes, TunnelChallenge]:
        if not self._has_begun:
            if octets:
                raise malformed("data inside the tunnel before the login")
            self._has_begun = True
            return self._begin()
        if not octets:
            return b""
        found = avp.parse(octets)
        if any(each.is_mandatory and _kind(each) not in _KNOWN for each in found):
            raise malformed("unknown mandatory AVP")
        return self._process(found)

    @abc.abstractmethod
    def _begin(self) -> bytes:
        """Return the AVPs of the client."""

    @abc.abstractmethod
    def _process(self, found: Tuple[avp.Avp, ...]) -> Union[bytes, TunnelChallenge]:
        """Return what to send after these AVPs of the server."""


class Pap(_TtlsMethod):
    """The password itself. The server proves nothing inside, but the tunnel has authenticated it."""

    def __init__(self, user_name: str, password: Secret, tunnel: Tunnel, random: Random) -> None:
        super().__init__(user_name, password, tunnel, random)
        _password_octets(password)
        self._state: Tuple[avp.Avp, ...] = ()

    def answer(self, password: Secret) -> bytes:
        """Return what to send after a challenge; raise EapError if the password cannot be used."""
        octets = self._login(password)
        self.is_complete = True
        return octets

    def _begin(self) -> bytes:
        return self.answer(self._password)

    def _process(self, found: Tuple[avp.Avp, ...]) -> Union[bytes, TunnelChallenge]:
        messages = tuple(each.value for each in found if _kind(each) == (0, avp.REPLY_MESSAGE))
        self._state = tuple(each for each in found if _kind(each) == (0, avp.STATE))
        if not messages and not self._state:
            raise malformed("unexpected AVP inside the tunnel")
        self.is_complete = False
        return TunnelChallenge(b"\n".join(messages))

    def _login(self, password: Secret) -> bytes:
        octets = _password_octets(password)
        padded = octets + bytes(-len(octets) % _BLOCK or (0 if octets else _BLOCK))
        state, self._state = self._state, ()
        name = avp.Avp(avp.USER_NAME, self._user_name.encode("utf-8"))
        return avp.encode(name, avp.Avp(avp.USER_PASSWORD, padded), *state)


class MsChapV2(_TtlsMethod):
    """MS-CHAPv2 with a challenge from the tunnel, so that its response is worth nothing elsewhere."""

    def __init__(self, user_name: str, password: Secret, tunnel: Tunnel, random: Random) -> None:
        super().__init__(user_name, password, tunnel, random)
        if not tunnel.has_exporter:
            raise EapError(reasons.TLS_FAILED, log_lines.EXPORTER_MISSING.text)
        check_mschapv2(user_name, password)
        self._success, self._identifier = "", 0
        self._is_refused = False

    def _begin(self) -> bytes:
        implicit = self._tunnel.export(b"ttls challenge", mschap.CHALLENGE_OCTETS + 1)
        challenge, self._identifier = implicit[:-1], implicit[-1]
        peer_challenge = self._random(mschap.CHALLENGE_OCTETS)
        made = mschap.response(self._user_name, self._password, challenge, peer_challenge, self._identifier)
        self._success = made.success
        return avp.encode(
            avp.Avp(avp.USER_NAME, self._user_name.encode("utf-8")),
            avp.Avp(avp.MS_CHAP_CHALLENGE, challenge, avp.MICROSOFT),
            avp.Avp(avp.MS_CHAP2_RESPONSE, made.value, avp.MICROSOFT),
        )

    def _process(self, found: Tuple[avp.Avp, ...]) -> bytes:
        if self.is_complete:
            raise forged("data after MS-CHAP2-Success inside the tunnel")
        successes = [each.value for each in found if _kind(each) == (avp.MICROSOFT, avp.MS_CHAP2_SUCCESS)]
        errors = [each.value for each in found if _kind(each) == (avp.MICROSOFT, avp.MS_CHAP_ERROR)]
        self.messages += [each.value for each in found if _kind(each) == (0, avp.REPLY_MESSAGE)]
        if successes:
            is_proved = len(successes) == 1 and not errors and not self._is_refused
            if not is_proved or not mschap.verify_success(self._success, successes[0], self._identifier):
                raise forged("MS-CHAP2-Success inside the tunnel is invalid")
            self.is_complete = True
        for error in errors:
            self._is_refused = True
            self.messages += mschap.parse_error(error).texts
        return b""


def _password_octets(password: Secret) -> bytes:
    try:
        octets = password.octets()
    except ValueError as error:
        raise EapError(reasons.BAD_PASSWORD, "the password " + str(error)) from None
    if len(octets) > _MAX_PASSWORD_OCTETS:
        raise EapError(reasons.BAD_PASSWORD, f"the password is longer than {_MAX_PASSWORD_OCTETS} octets")
    return octets


def _kind(each: avp.Avp) -> Tuple[int, int]:
    return each.vendor, each.code
