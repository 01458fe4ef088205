"""A small certificate authority: pure, no database, no files.

One root an installation (RFC 5280), which signs one certificate a node. A new root is signed by the
old one too (a *cross* certificate, RFC 5280, 3.2), so that a phone which trusts either of them
accepts a node's certificate during the change.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ddiweb.deploy.errors import Refused

ROOT_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=90)
#: A certificate is renewed when this share of its life is over.
RENEW_AT = 2 / 3
#: Clocks of phones go wrong by minutes; a certificate begins a little before it is made.
BACKDATED = timedelta(hours=1)
#: Longer chains are refused by some phones; OpenSSL takes 100 KB, 100 names are some 7 KB.
MOST_NAMES = 100
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DNS = re.compile(rf"\A(?=.{{1,253}}\Z)(\*\.)?({_LABEL}\.)+{_LABEL}\Z")


@dataclass(frozen=True)
class Signed:
    """A certificate and its key, PEM; ``chain`` are certificates to be sent after it."""

    certificate: str
    key: str = field(repr=False)
    chain: str = ""

    @property
    def pem(self) -> str:
        """What a server sends: the certificate, then its chain."""
        return self.certificate + self.chain

    @functools.cached_property
    def x509(self) -> x509.Certificate:
        """The certificate, parsed."""
        return parse(self.certificate)


def parse(pem: str) -> x509.Certificate:
    """Return the first certificate of ``pem``; raises Refused for anything else."""
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise Refused(f"certificate: can't be read ({error}); issue a new one") from None


def names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the DNS names of a certificate, sorted."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(sorted(found.value.get_values_for_type(x509.DNSName)))


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate as ``AB:CD:…``, as openssl and phones show it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def renewal(certificate: x509.Certificate) -> datetime:
    """Return when two thirds of its life are over."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (end - begin) * RENEW_AT


def signed_by(certificate: x509.Certificate, root: x509.Certificate) -> bool:
    """Whether ``root``'s key signed ``certificate``."""
    try:
        certificate.verify_directly_issued_by(root)
    except Exception:
        return False
    return True


def new_root(name: str, now: datetime) -> Signed:
    """Make a root for ``name``, an installation; valid for ten years from ``now``."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ddiweb"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    made = _root(subject, key.public_key(), now, now + ROOT_LIFE).issuer_name(subject)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    return Signed(_pem(made.sign(key, hashes.SHA256())), _key(key))


def cross(new: Signed, old: Signed, now: datetime) -> str:
    """Return ``new``'s name and key signed by ``old``: for phones that trust only the old root."""
    end = min(new.x509.not_valid_after_utc, old.x509.not_valid_after_utc)
    made = (
        _root(new.x509.subject, _private(new).public_key(), now, end)
        .issuer_name(old.x509.subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_authority_id(old.x509), critical=False)
    )
    return _pem(made.sign(_private(old), hashes.SHA256()))


def issue(root: Signed, wanted: Sequence[str], now: datetime, chain: str = "") -> Signed:
    """Sign a server's certificate for the DNS names ``wanted``, valid for 90 days at most.

    Raises Refused for a name that is none, for too many, and for a root that ends too soon.
    """
    _check(wanted)
    end = min(now - BACKDATED + LEAF_LIFE, root.x509.not_valid_after_utc)
    if end <= now:
        raise Refused("the panel's authority has expired: manage.py ca rotate")
    key = ec.generate_private_key(ec.SECP256R1())
    # RFC 5280, 4.1.2.6: the common name holds 64 characters at most; only the SAN counts.
    common = next((name for name in wanted if len(name) <= 64 and "*" not in name), "ddiweb")
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)]))
        .issuer_name(root.x509.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName(map(x509.DNSName, wanted)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_authority_id(root.x509), critical=False)
        .sign(_private(root), hashes.SHA256())
    )
    return Signed(_pem(made), _key(key), chain)


def _check(wanted: Iterable[str]) -> None:
    given = list(wanted)
    if not given:
        raise Refused("certificate: no name; give the node a SIP domain")
    if len(set(given)) > MOST_NAMES:
        raise Refused(
            f"certificate: {len(given)} names, and it holds {MOST_NAMES}: let fewer phones check "
            "names strictly"
        )
    for name in given:
        if not _DNS.match(name):
            raise Refused(f"certificate: {name!r} is no host name in small letters")


def _root(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    now: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(end)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_id(root: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _private(signed: Signed) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(signed.key.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Refused("the panel's authority has a key of another kind; restore a backup")
    return key


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
