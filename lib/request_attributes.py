"""What each RADIUS request says of SPS and of the session, as data; the client adds the address that it sends from."""

from typing import List, Tuple

from . import log_lines
from .config.model import Settings
from .config.options import PLACEHOLDERS
from .radius import attributes, nas
from .radius.packet import Attributes
from .session import Session


def request_attributes(settings: Settings, session: Session, nas_identifier: str) -> Tuple[Attributes, List[str]]:
    """Return the attributes, and warnings about lines of [radius_attributes] that do not fit this session.

    An attribute that the configuration removes is there without a value.
    """
    configured: List[Tuple[int, int, bytes]] = []
    warnings: List[str] = []
    values = {name: str(getattr(session, name) or "") for name in PLACEHOLDERS}
    for line in settings.attributes:
        try:
            configured.append(line.attribute.key + (attributes.encode(line.attribute, line.text, values),))
        except ValueError as error:
            warnings.append(log_lines.ATTRIBUTE_OMITTED.format(name=line.attribute.name, error=error))
    connect_info = f"{session.protocol} {session.connection_name or ''}".strip()
    usual = nas.attributes(nas_identifier, session.client_ip or "", connect_info)
    removed = tuple(each for each in configured if not each[2])
    return nas.with_configured(usual, configured) + removed, warnings
