"""The files that Asterisk reads for TLS: certificate and key in one, and its transports.

One file for both: a rename changes them together, so Asterisk never sees a key that is not its
certificate's. No Django here.
"""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from ddiweb.deploy.errors import Refused, Retryable
from peers import files

CERTIFICATE = "node.pem"
TRANSPORTS = "pjsip_tls.conf"
_FENCE = "fence"
_OWED = "reload.owed"
#: Ephemeral keys and authenticated encryption only (RFC 9325, 4.2), for both kinds of keys.
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
_TRANSPORT = """
[transport-tls{family}-{port}]
type = transport
protocol = tls
bind = {bind}:{port}
method = tlsv1_2
cipher = {ciphers}
cert_file = {file}
priv_key_file = {file}
; Of connections that Asterisk makes, to vendors: chain and name must be the host's own.
verify_server = yes
allow_wildcard_certs = yes
"""


@dataclass(frozen=True)
class Contents:
    """What is in the folder; empty: no file. ``owed``: Asterisk was not told of it yet."""

    certificate: str = field(default="", repr=False)
    transports: str = ""
    owed: bool = False


def transports(folder: Path, port: int, authorities: Path) -> str:
    """Return Asterisk's transports for TLS on ``port``, which read the certificate in ``folder``.

    Vendors are trusted by the file ``authorities``; without it, none is, and phones are served
    all the same: Asterisk would drop a transport that names a file which is not there. Each port
    is a transport of its own: Asterisk adds one at a reload, and moves none.
    """
    trusted = f"ca_list_file = {authorities}\n" if authorities.is_file() else ""
    values = {"port": port, "file": folder / CERTIFICATE, "ciphers": ",".join(CIPHERS)}
    return "; Written by ddiweb.\n" + "".join(
        _TRANSPORT.format(family=family, bind=bind, **values) + trusted
        for family, bind in (("4", "0.0.0.0"), ("6", "[::]"))  # noqa: S104 - the firewall decides
    )


class TlsFolder:
    """The folder ``DDIWEB_TLS_DIR``, written by the worker and read by Asterisk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Contents:
        """Return what is there; raises Retryable if it can't be read."""
        owed = (self.path / _OWED).exists()
        return Contents(self._text(CERTIFICATE), self._text(TRANSPORTS), owed)

    def write(self, contents: Contents, fence: int) -> None:
        """Replace both files; the debt to Asterisk stands before them, so that none is forgotten.

        Raises Refused for a fence lower than one seen before, Retryable if it can't be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            if fence < int(self._text(_FENCE) or 0):
                raise Refused(f"TLS files: a newer worker than fence {fence} was here")
            self._replace(_FENCE, str(fence))
            self._replace(_OWED, "x")
            if contents.certificate:
                self._replace(CERTIFICATE, contents.certificate)
            self._replace(TRANSPORTS, contents.transports)
            if not contents.certificate:
                self._replace(CERTIFICATE, "")
        except OSError as error:
            raise Retryable(f"TLS files: {self.path} can't be written: {error.strerror}") from error

    def paid(self) -> None:
        """Asterisk was told."""
        with contextlib.suppress(OSError):
            (self.path / _OWED).unlink(missing_ok=True)

    def _text(self, name: str) -> str:
        return files.read(self.path / name)

    def _replace(self, name: str, text: str) -> None:
        files.replace(self.path / name, text)
