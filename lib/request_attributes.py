"""What each RADIUS request says of SPS and of the session, as data; the client adds the address that it sends from."""

from typing import List, Tuple

from .config.model import RadiusAttribute, Settings
from .config.options import PLACEHOLDERS
from .namedtuple import NamedTuple
from .radius import attributes, nas
from .radius.packet import NAS_IDENTIFIER, Attributes
from .session import Session


class Unfit(NamedTuple):
    """A line of [radius_attributes] whose value does not fit this session, and what was expected."""

    line: RadiusAttribute
    expected: str

    def __str__(self) -> str:
        return f"[radius_attributes] {self.line.place}: {self.line.attribute.name}: {self.expected}"


def request_attributes(settings: Settings, session: Session, nas_identifier: str) -> Tuple[Attributes, List[Unfit]]:
    """Return the attributes, and the lines of [radius_attributes] that do not fit this session.

    An attribute that the configuration removes is there without a value.
    """
    configured: List[Tuple[int, int, bytes]] = []
    unfit: List[Unfit] = []
    values = {name: str(getattr(session, name) or "") for name in PLACEHOLDERS}
    for line in settings.attributes:
        try:
            octets = attributes.encode(line.attribute, line.text, values)
            if line.text and not octets and line.attribute.key == (0, NAS_IDENTIFIER):
                raise ValueError("expected a value: the name of the NAS must not be empty")
            configured.append(line.attribute.key + (octets,))
        except ValueError as error:
            unfit.append(Unfit(line, str(error)))
    connect_info = f"{session.protocol} {session.connection_name or ''}".strip()
    usual = nas.attributes(nas_identifier, session.client_ip or "", connect_info)
    removed = tuple(each for each in configured if not each[2])
    return nas.with_configured(usual, configured) + removed, unfit
