"""An own CA and two certificates of a service, the right one and one for another name."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Certificates:
    """Files: the CA's certificate; certificate and key of the service, in one file each."""

    authority: Path
    right: Path
    wrong: Path


def make(folder: Path, address: str) -> Certificates:
    """Write them; ``right`` is for ``address``, ``wrong`` for a name that nobody asks for."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "own CA")])
    authority = folder / "authority.pem"
    signed = _builder(who, who, key.public_key(), ca=True).sign(key, hashes.SHA256())
    authority.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    names: dict[str, x509.GeneralName] = {
        "right": x509.IPAddress(ipaddress.ip_address(address)),
        "wrong": x509.DNSName("another.example"),
    }
    for file, name in names.items():
        own = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, file)])
        made = (
            _builder(subject, who, own.public_key(), ca=False)
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .sign(key, hashes.SHA256())
        )
        secret = own.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        public = made.public_bytes(serialization.Encoding.PEM)
        (folder / f"{file}.pem").write_bytes(public + secret)
    return Certificates(authority, folder / "right.pem", folder / "wrong.pem")


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
