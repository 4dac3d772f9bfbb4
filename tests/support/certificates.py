"""Certificates for the tests of RADIUS over TLS, which the tests issue themselves.

Ed25519 signatures all have the same size, so every handshake has the same number of octets.
"""

import datetime
import ipaddress
import pathlib
from typing import NamedTuple, Optional, Sequence

from cryptography import x509
from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOST_NAME = "radius.example.com"
DAY = datetime.timedelta(days=1)


class Identity(NamedTuple):
    """A certificate and its private key, both in PEM."""

    certificate: str
    key: str

    @property
    def both(self) -> str:
        """The certificate and the key, in one text."""
        return self.certificate + self.key

    def written(self, directory: pathlib.Path, name: str) -> pathlib.Path:
        """Write both to a file that only its owner can read, and return its path."""
        path = directory / (name + ".pem")
        path.touch(mode=0o600)
        path.write_text(self.both, encoding="ascii")
        return path


class Authority:
    """A root CA, or a CA below another; `certificate` is its own certificate in PEM."""

    def __init__(self, name: str, above: "Optional[Authority]" = None) -> None:
        self._key = Ed25519PrivateKey.generate()
        self._name = _name(name)
        issuer = above or self
        builder = _builder(self._name, issuer._name, self._key, -DAY, DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = _pem(builder.sign(issuer._key, None, default_backend()))

    def issue(
        self,
        names: Sequence[str] = (HOST_NAME, "localhost"),
        addresses: Sequence[str] = ("127.0.0.1", "::1"),
        begins: datetime.timedelta = -DAY,
        ends: datetime.timedelta = DAY,
        for_client: bool = False,
        passphrase: Optional[bytes] = None,
    ) -> Identity:
        """Return a certificate for these names and addresses that is valid from now + `begins` to now + `ends`."""
        key = Ed25519PrivateKey.generate()
        builder = _builder(_name("issued"), self._name, key, begins, ends)
        subjects = [x509.DNSName(name) for name in names]
        subjects += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]  # type: ignore[misc]
        builder = builder.add_extension(x509.SubjectAlternativeName(subjects), critical=False)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if for_client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        octets = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        certificate = builder.sign(self._key, None, default_backend())
        return Identity(_pem(certificate), octets.decode("ascii"))


def in_configuration(pem: str) -> str:
    """Return a PEM text as the value of an option, with indented continuation lines."""
    return pem.strip().replace("\n", "\n  ")


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: Ed25519PrivateKey,
    begins: datetime.timedelta,
    ends: datetime.timedelta,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
