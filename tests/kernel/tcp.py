"""TCP connections between namespaces, and what of them an application on the server gets."""

import base64
import contextlib
import datetime
import itertools
import ssl
import struct
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.kernel.bench import PHONE, SRV, TLS, Bench

OPEN = {"tcp": True, "tls_port": TLS}  # an intent's choice of both
_names = itertools.count(1)


class Caller:
    """A TCP connection from the attacker's namespace, where phones stand too.

    `own`: its port there. `early`: data that a TCP Fast Open would put into the SYN.
    """

    def __init__(
        self,
        bench: Bench,
        family: int,
        port: int,
        *,
        own: int = 0,
        early: bytes = b"",
    ) -> None:
        self.name = f"c{next(_names)}"
        self.to = port
        self._hands = bench.hands["attacker"]
        values = {"name": self.name, "to": [SRV[family], port], "source": PHONE[family]}
        self.port: int = self._hands.do("dial", **values, port=own, early=_text(early))

    def send(self, *parts: bytes) -> None:
        """Send each part as a segment of its own."""
        for part in parts:
            self._hands.do("write", name=self.name, data=_text(part))

    def read(self, wait: float = 2.0) -> bytes:
        """What the server sent."""
        return base64.b64decode(self._hands.do("read", name=self.name, wait=wait))

    def close(self) -> None:
        """Close it."""
        self._hands.do("close", name=self.name)

    def vanish(self) -> None:
        """Forget it without a word to the server, as a crash or a lost network does."""
        self._hands.do("vanish", name=self.name)


def taken(bench: Bench, family: int, port: int, wait: float = 0.15) -> dict[int, bytes]:
    """What an application on the server has accepted: the callers' ports, and the bytes new."""
    found = bench.hands["srv"].do("taken", name=f"tcp{port}-{family}", wait=wait)
    return {int(name.split()[-1]): base64.b64decode(data) for name, data in found}


def served(bench: Bench, family: int, port: int, action: str, **values: Any) -> None:
    """Do something with each connection that the application holds."""
    hands = bench.hands["srv"]
    for name, _ in hands.do("taken", name=f"tcp{port}-{family}", wait=0.05):
        hands.do(action, name=name, **values)


class Tls:
    """One end of a TLS conversation whose bytes somebody else carries.

    With a certificate's file the server's end, else that of a phone that asks for `name` and
    believes anybody.
    """

    def __init__(self, certificate: Path | None, name: str = "", **settings: Any) -> None:
        kind = ssl.PROTOCOL_TLS_SERVER if certificate else ssl.PROTOCOL_TLS_CLIENT
        context = ssl.SSLContext(kind)
        if certificate:
            context.load_cert_chain(certificate)
        else:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for key, value in settings.items():
            setattr(context, key, value)
        self._in, self._out, self._unsaid = ssl.MemoryBIO(), ssl.MemoryBIO(), b""
        self._link = context.wrap_bio(
            self._in, self._out, server_side=bool(certificate), server_hostname=name or None
        )

    def say(self, data: bytes) -> None:
        """Send `data` as soon as the handshake has ended."""
        self._unsaid += data

    def hear(self, data: bytes) -> bytes:
        """Take bytes of the other end; what they say."""
        self._in.write(data)
        self.out(keep=True)
        with contextlib.suppress(ssl.SSLWantReadError):
            return self._link.read()
        return b""

    def out(self, keep: bool = False) -> bytes:
        """The bytes for the other end."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._link.do_handshake()
            if self._unsaid:
                self._link.write(self._unsaid)
                self._unsaid = b""
        return b"" if keep else self._out.read()


def hello(name: str, size: int = 0, **settings: Any) -> bytes:
    """A real ClientHello for a server name, of at least `size` bytes."""
    first = Tls(None, name, **settings).out()
    if len(first) < size:
        # The padding extension (RFC 7685) behind all others; three lengths that hold it.
        room = size - len(first)
        pad = struct.pack(">HH", 21, room) + bytes(room)
        ends = first[44:][first[43] :]
        at = len(first) - len(ends)
        at += 2 + struct.unpack_from(">H", first, at)[0]
        at += 1 + first[at]
        more = len(pad)
        whole = bytearray(first + pad)
        struct.pack_into(">H", whole, 3, len(first) - 5 + more)
        whole[5:9] = bytes([1]) + (len(first) - 9 + more).to_bytes(3, "big")
        struct.pack_into(">H", whole, at, struct.unpack_from(">H", first, at)[0] + more)
        return bytes(whole)
    return first


def certificate(folder: Path, name: str) -> Path:
    """A certificate for `name` that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pbx")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "pbx.pem"
    plain = serialization.NoEncryption()
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return path


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
