"""The attributes that describe SPS and the session in each request; the client adds the address that it sends from."""

from typing import List, Tuple

from . import log_lines
from .config.model import RadiusAttribute, Settings
from .config.options import PLACEHOLDERS
from .namedtuple import NamedTuple
from .radius import attributes, nas
from .radius.packet import NAS_IDENTIFIER, Attributes
from .session import Session


class Unfit(NamedTuple):
    """A line of [radius_attributes] whose value does not fit this session, and why."""

    line: RadiusAttribute
    error: str

    def __str__(self) -> str:
        return f"[radius_attributes] {self.line.place}: {self.error}"

    @property
    def omission(self) -> str:
        """The line of the log if the request is sent without the attribute."""
        return log_lines.ATTRIBUTE_OMITTED.format(place=self.line.place, error=self.error)


def request_attributes(settings: Settings, session: Session, nas_identifier: str) -> Tuple[Attributes, List[Unfit]]:
    """Return the attributes, and the lines of [radius_attributes] that do not fit this session.

    An attribute that the configuration removes has an empty value.
    """
    configured: List[Tuple[int, int, bytes]] = []
    unfit: List[Unfit] = []
    values = {name: str(getattr(session, name) or "") for name in PLACEHOLDERS}
    for line in settings.attributes:
        try:
            octets = attributes.encode(line.attribute, line.text, values)
            if line.text and not octets and line.attribute.key == (0, NAS_IDENTIFIER):
                raise ValueError("expected a value, since it identifies the NAS")
            configured.append(line.attribute.key + (octets,))
        except ValueError as error:
            unfit.append(Unfit(line, f"{line.attribute.name}: {error}"))
    connect_info = f"{session.protocol} {session.connection_name or ''}".strip()
    usual = nas.attributes(nas_identifier, session.client_ip or "", connect_info)
    removed = tuple(each for each in configured if not each[2])
    return nas.with_configured(usual, configured) + removed, unfit
