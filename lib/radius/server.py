"""The settings of one RADIUS server, as the client needs them."""

from typing import Optional

from ..namedtuple import NamedTuple
from ..secret import Secret


class TlsSettings(NamedTuple):
    """How SPS and a server authenticate each other over TLS; certificates and key in PEM, empty if not set."""

    server_name: str
    ca_certificate: str
    client_certificate: Secret

    def certificate_name(self, server: str) -> str:
        """Return the name that the certificate must be for; `server` is the configured host name or address."""
        # No certificate has the zone of an address, or the dot at the end of an absolute name.
        return (self.server_name or server.partition("%")[0]).rstrip(".")


class TunnelSettings(NamedTuple):
    """How a login runs inside a tunnel; `tls` is about the server that the tunnel leads to.

    `require_keys` is whether an Access-Accept must contain the keys of the tunnel, `must_check_keys` whether a login
    that requires them fails where no pyOpenSSL can check them, as on SPS.
    """

    anonymous_identity: str
    require_keys: bool
    tls: TlsSettings
    must_check_keys: bool = True


class ServerSettings(NamedTuple):
    """The options of [radius] or [radius_N]; times in seconds. `tls` is None with UDP.

    `tunnel` is None unless `auth_type` is a tunneled method.
    """

    section: str
    server: str
    port: int
    secret: Secret
    auth_type: str
    conn_timeout: float
    conn_retries: int
    retransmit_after: float
    require_message_authenticator: bool
    source_ip: str
    status_check: str
    status_check_after: float
    status_check_timeout: float
    connect_timeout: float
    tls: Optional[TlsSettings] = None
    tunnel: Optional[TunnelSettings] = None

    @property
    def bound(self) -> float:
        """The longest wait for one address of the server, in seconds."""
        return self.conn_timeout * self.conn_retries
