"""What each RADIUS request says of SPS and of the session. Imports pyrad."""

from typing import Iterator, List, Tuple

from .config.model import Settings
from .config.options import PLACEHOLDERS
from .radius import attributes, nas
from .radius.packet import Attributes
from .session import Session


class RequestAttributes:
    """The attributes of a session's requests; `warnings` says which lines of [radius_attributes] do not fit it."""

    def __init__(self, settings: Settings, session: Session, nas_identifier: str) -> None:
        self.warnings: List[str] = []
        self._session = session
        self._nas_identifier = nas_identifier
        self._configured: Attributes = tuple(self._encoded(settings)) if settings.attributes else ()

    def for_login(self, local_ip: str) -> Attributes:
        """Return what an Access-Request says; `local_ip` is the address that it leaves from."""
        session = self._session
        connect_info = f"{session.protocol} {session.connection_name or ''}".strip()
        usual = nas.attributes(self._nas_identifier, local_ip, session.client_ip or "", connect_info)
        return nas.with_configured(usual, self._configured)

    def for_accounting(self) -> Attributes:
        """Return what an Accounting-Request says but for the address; what the configuration removes has no value."""
        session = self._session
        target = nas.target(session.server_ip, session.server_port, session.server_hostname, session.server_username)
        return self.for_login("") + tuple(each for each in self._configured if not each[2]) + target

    def _encoded(self, settings: Settings) -> Iterator[Tuple[int, int, bytes]]:
        values = {name: str(getattr(self._session, name) or "") for name in PLACEHOLDERS}
        for line in settings.attributes:
            try:
                octets = attributes.encode(line.attribute, line.text, values)
            except ValueError as error:
                self.warnings.append(f"Request omits [radius_attributes] {line.attribute.name}: {error}")
            else:
                yield line.attribute.key + (octets,)
