"""The TLS target: a node's certificate and transports as files, and Asterisk told of them.

A certificate is made where it is needed, in ``apply``, and its key is never anywhere but in the
node's file. Asterisk takes a new one at a reload of res_pjsip.so; calls and connections that are
there live on (docs/adr/0030).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from cryptography import x509
from django.conf import settings
from django.utils import timezone

from ddiweb.deploy.errors import Refused
from ddiweb.deploy.models import Node
from ddiweb.deploy.target import Plan
from peers.models import NodeCertificate
from peers.realtime.actions import Reload
from peers.realtime.ami import AmiClient
from peers.realtime.ami_settings import ami_client
from peers.tls import authority, names, public, roots, served
from peers.tls.authority import MOST_NAMES
from peers.tls.files import Contents, TlsFolder, transports

#: Seconds in which Asterisk must answer with the new certificate; it took 2 ms.
SERVED_WITHIN = 5.0


@dataclass(frozen=True)
class Desired:
    """What should be; no names: no TLS. ``root`` and ``chain`` are PEM, empty before the first.

    ``given`` is a public authority's certificate with its key, in place of one of our own.
    """

    port: int = 0
    names: tuple[str, ...] = ()
    root: str = ""
    chain: str = ""
    given: str = field(default="", repr=False)


@dataclass(frozen=True)
class Actual:
    """What is there: the files, and the fingerprint that Asterisk answers with (None: nobody)."""

    files: Contents
    served: str | None = None


class TlsTarget:
    """The certificate of one node."""

    name = "tls"

    def __init__(
        self,
        folder: Path | None = None,
        ami: Callable[[], AmiClient] = ami_client,
        now: Callable[[], datetime] = timezone.now,
    ) -> None:
        self.folder = TlsFolder(folder or Path(settings.TLS_DIR))
        self._ami = ami
        self._now = now
        self._served: str | None = None

    def hurries(self, node: Node) -> bool:
        """Nothing: a certificate is no matter of seconds."""
        return False

    def hurry(self, node: Node, fence: int) -> None:
        """Nothing."""

    def render(self, node: Node) -> Desired:
        """Return the names that the newest generation needs."""
        if not names.enabled(node):
            return Desired()
        wanted = names.wanted(node)
        if len(wanted) > MOST_NAMES:
            raise Refused(
                f"the certificate would hold {len(wanted)} names, and it takes {MOST_NAMES}: let "
                "fewer phones check names strictly"
            )
        if settings.TLS_CERTIFICATE:
            return Desired(node.tls_port, wanted, given=public.read())
        root = roots.current()
        found = (root.certificate, root.cross) if root else ("", "")
        return Desired(node.tls_port, wanted, *found)

    def read(self, node: Node) -> Actual:
        """Return the files, and what Asterisk answers with."""
        if node.dry_run:
            return Actual(Contents())
        files = self.folder.read()
        if files.certificate and names.enabled(node):
            self._served = served.fingerprint(node.tls_port, names.domain(node))
            # An Asterisk that was mended since is seen here, with no deployment to come.
            late = NodeCertificate.objects.filter(node=node, served=False)
            late.filter(fingerprint=self._served or "").update(served=True)
        return Actual(files, self._served)

    def as_applied(self, node: Node, actual: Actual) -> bool:
        """Only a comparison can tell."""
        return False

    def diff(self, node: Node, desired: Desired, actual: Actual) -> Plan:
        """Compare names, root, age and transports with what is there."""
        lines = [*self._certificate(desired, actual.files)]
        if actual.files.transports != self._transports(desired):
            lines.append(
                f"~ transports: TLS on port {desired.port}"
                if desired.names
                else "- transports: no TLS (Asterisk lets go of the port when it is restarted)"
            )
        if actual.files.owed:
            lines.append("! Asterisk was not told yet")
        if not lines and _other_served(actual):
            lines.append("! Asterisk answers with another certificate")
        return Plan(tuple(lines), None)

    def _transports(self, desired: Desired) -> str:
        if not desired.names:
            return ""
        return transports(self.folder.path, desired.port, settings.VENDOR_CA_FILE)

    def _certificate(self, desired: Desired, files: Contents) -> list[str]:
        """Return why a new certificate is needed, in words fit for the screen."""
        if not desired.names:
            return ["- certificate"] if files.certificate else []
        if desired.given:
            same = desired.given == files.certificate
            return [] if same else ["~ certificate: the one of DDIWEB_TLS_CERTIFICATE"]
        there = _parsed(files)
        if there is None:
            return [f"+ certificate for {len(desired.names)} names"]
        had, lines = set(authority.names(there)), []
        if gone := had - set(desired.names):
            lines.append(f"- certificate: {len(gone)} names")
        if new := set(desired.names) - had:
            lines.append(f"+ certificate: {len(new)} names")
        root = authority.parse(desired.root) if desired.root else None
        if root is None or not authority.signed_by(there, root):
            lines.append("~ certificate: signed by the panel's current authority")
        elif files.certificate.count("BEGIN CERT") != 1 + desired.chain.count("BEGIN CERT"):
            lines.append("~ certificate: chain to the authority before")
        if self._now() >= authority.renewal(there):
            lines.append(f"~ certificate: renewed, it ends {there.not_valid_after_utc:%Y-%m-%d}")
        return lines

    def apply(self, node: Node, desired: Desired, plan: Plan, fence: int) -> None:
        """Issue what is needed, write it and tell Asterisk."""
        files = self.folder.read()
        made = (desired.given or files.certificate) if desired.names else ""
        if desired.names and not desired.given and self._certificate(desired, files):
            root = roots.signed(roots.ensure())
            issued = authority.issue(root, desired.names, self._now(), chain=root.chain)
            made = issued.pem + issued.key
        self.folder.write(Contents(made, self._transports(desired)), fence)
        self._tell()

    def _tell(self) -> None:
        with self._ami() as client:
            Reload("res_pjsip.so").perform(client)
        self.folder.paid()

    def verify(self, node: Node, desired: Desired) -> list[str]:
        """Compare the files, and ask Asterisk for its certificate.

        One that does not listen is no fault of this deployment, which it would block: doctor and
        the first page say it. One that answers with another certificate is.
        """
        files = self.folder.read()
        root = roots.current()
        now = replace(desired, root=root.certificate if root else "")
        lines = list(self.diff(node, now, Actual(files)).lines)
        if not desired.names or lines:
            return lines
        wanted = authority.fingerprint(authority.parse(files.certificate))
        found = served.becomes(desired.port, names.domain(node), wanted, SERVED_WITHIN)
        self._served = found
        if found not in (None, wanted):
            return ["! Asterisk answers with another certificate"]
        return []

    def restore(self, node: Node, before: Actual, fence: int) -> None:
        """Put the files back that were there before."""
        self.folder.write(before.files, fence)
        self._tell()

    def shut(self, node: Node, fence: int) -> None:
        """Nothing: a token's name is shut out by the firewall, whatever the certificate says."""

    def settle(self, node: Node, desired: Desired) -> None:
        """Note what the node was given, for people to see."""
        there = _parsed(self.folder.read())
        if there is None or not desired.names:
            NodeCertificate.objects.filter(node=node).delete()
            return
        fingerprint = authority.fingerprint(there)
        NodeCertificate.objects.update_or_create(
            node=node,
            defaults={
                "fingerprint": fingerprint,
                "names": [n for n in authority.names(there) if not n.startswith("ddi-")],
                "not_before": there.not_valid_before_utc,
                "not_after": there.not_valid_after_utc,
                "renew_at": authority.renewal(there),
                "served": self._served == fingerprint,
                "checked_at": self._now(),
            },
        )


def _parsed(files: Contents) -> x509.Certificate | None:
    """The certificate in the files; None if there is none, or it can't be read."""
    try:
        return authority.parse(files.certificate)
    except Refused:
        return None


def _other_served(actual: Actual) -> bool:
    there = _parsed(actual.files)
    if actual.served is None or there is None:
        return False
    return actual.served != authority.fingerprint(there)
