"""What waits for a restart of Asterisk beside its ports, as the watch finds it on the node."""

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from ddiweb.deploy.models import Node
from peers.realtime import dialplan, iax, listening, owners
from peers.realtime.ami import ActionRefused, AmiClient
from peers.realtime.restarting import started_at
from peers.tls import names

ANEW = "write its configuration anew (asterisk_config), then restart it"
#: Times that a socket of Asterisk's that is not configured is asked whether it speaks SIP over TLS.
ASKED_AT_MOST = 3


class Notes:
    """Keeps the sentences on the node's row; used by one thread."""

    def __init__(self) -> None:
        self._dialplan: tuple[str, ...] = ()
        #: Ports and inodes of sockets that serve SIP over TLS, and how often the others were asked.
        self._tls: set[tuple[int, int]] = set()
        self._silent: dict[tuple[int, int], int] = {}

    def read(self, node: Node, client: AmiClient) -> None:
        """Ask, and write down what changed; raises as ``client``."""
        node.refresh_from_db()
        found = list(self._found(node, client))
        Node.objects.filter(pk=node.pk).exclude(restart_notes=found).update(restart_notes=found)

    def _found(self, node: Node, client: AmiClient) -> Iterator[str]:
        try:
            if not dialplan.same_version(client):
                yield f"Asterisk was started with another version's files: {ANEW}"
            yield from self._tampered(client)
            started = started_at(client)
        except ActionRefused:
            yield f"Asterisk was started with an older version's files: {ANEW}"
            return
        if not node.iax_port and iax.is_loaded(client):
            yield "IAX2 is switched off, and Asterisk lets go of it at a restart: a call used it"
        yield from self._former_tls(node, client)
        if names.enabled(node) and started and _changed(settings.VENDOR_CA_FILE) > started:
            yield (
                f"{settings.VENDOR_CA_FILE} changed after Asterisk was started: vendors' "
                "certificates are judged by the former one until a restart"
            )

    def _tampered(self, client: AmiClient) -> Iterator[str]:
        """What is still so at a second look: the worker mends what a reload can mend."""
        found = dialplan.differences(client, settings.SOUNDS_DIR, settings.NAMES_PORT_ASKED)
        if found and found == self._dialplan:
            yield f"the dialplan is not the reviewed one, and a reload did not mend it: {ANEW}"
        self._dialplan = found

    def _former_tls(self, node: Node, client: AmiClient) -> Iterator[str]:
        """Ports that Asterisk gave up in its configuration alone: only the kernel knows them."""
        asterisk = owners.other_end(*client.ends())
        sockets = owners.listeners(asterisk) if asterisk is not None else set()
        wanted = {node.sip_port, node.open_sip_port, node.tls_port if names.enabled(node) else 0}
        former = {one for one in sockets if one[0] not in wanted}
        self._tls &= former
        self._silent = {one: self._silent.get(one, 0) for one in former - self._tls}
        for one in [one for one, times in self._silent.items() if times < ASKED_AT_MOST]:
            self._silent[one] += 1
            if listening.answers_tls(one[0]):
                self._tls.add(one)
        for port in sorted({port for port, _ in self._tls}):
            yield f"Asterisk still serves SIP over TLS on port {port} and lets go at a restart"


def _changed(path: Path) -> float:
    """When a file was last changed (Unix seconds); 0 if there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
