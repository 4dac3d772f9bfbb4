"""Reads the certificate of a server that failed verification, over another connection that carries nothing."""

import os
import socket
import ssl
import tempfile
from typing import Any, Mapping, Optional

from ..radius.server import ServerSettings
from ..radius.transport.base import Address, Certificate, Unreachable
from ..radius.transport.tls import certificate_of, context_for


def peer_certificate(server: ServerSettings, address: Address, timeout: float) -> Optional[Certificate]:
    """Return the unverified certificate of the server at an address, or None if it cannot be read."""
    if server.tls is None:
        return None
    try:
        context = context_for(server.tls)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.socket(address.family, socket.SOCK_STREAM) as connecting:
            connecting.settimeout(timeout)
            if server.source_ip:
                connecting.bind((server.source_ip, 0))
            connecting.connect(address.sockaddr)
            with context.wrap_socket(connecting) as tls:
                return certificate_of(_decode(tls.getpeercert(True) or b""))
    except (OSError, Unreachable, ValueError, KeyError):  # ssl.SSLError is an OSError
        return None


def _decode(octets: bytes) -> Mapping[str, Any]:
    """Return the description of a certificate in DER, which the ssl module offers for verified ones only."""
    import _ssl  # CPython decodes with it in its own tests, from a file

    decode = getattr(_ssl, "_test_decode_cert", None)
    if decode is None:
        raise ValueError("this Python cannot decode certificates")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "certificate")
        with open(path, "w", encoding="ascii") as file:
            file.write(ssl.DER_cert_to_PEM_cert(octets))
        found: Mapping[str, Any] = decode(path)
        return found
