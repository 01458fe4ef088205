"""A realtime database with many phones, and Asterisk on it: ddiweb's configuration, or another."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lab.pbx import PbxPlan
from lab.vendor import FIRST
from peers.realtime.diff import diff
from peers.realtime.facts import NodeFacts, NumberFacts, PeerFacts, Snapshot, StepFacts, TrunkFacts
from peers.realtime.render import render
from peers.realtime.store import Store

REALM = "ddi.lab"
NODE = NodeFacts("bench", REALM, 5060, 10000, 10199)
PASSWORD = "correct-horse-battery"
DDI = "442079460123"
#: The realtime configuration of Asterisk's own documentation, "Setting up PJSIP Realtime".
SORCERY = """[res_pjsip]
endpoint = realtime,ps_endpoints
auth = realtime,ps_auths
aor = realtime,ps_aors
domain_alias = realtime,ps_domain_aliases
contact = realtime,ps_contacts
[res_pjsip_endpoint_identifier_ip]
identify = realtime,ps_endpoint_id_ips
"""
#: Tables that only that configuration asks, with the columns that Asterisk writes or looks for.
THEIRS = {
    "ps_contacts": "uri expiration_time qualify_frequency outbound_proxy path user_agent "
    "qualify_timeout reg_server authenticate_qualify via_addr via_port call_id endpoint "
    "prune_on_boot qualify_2xx_only",
    "ps_domain_aliases": "domain",
    "ps_endpoint_id_ips": "endpoint match srv_lookups match_header match_request_uri",
}
BY_HAND = f"""[general]
static = yes
[globals]
[from-trunk]
exten => {DDI},1,Dial(PJSIP/phone0,30)
[from-peer]
[nowhere]
"""


def peers(first: int, last: int) -> Iterator[PeerFacts]:
    """Phones by their numbers, all with one password."""
    for number in range(first, last):
        name = f"phone{number}"
        ha1 = hashlib.md5(f"{name}:{REALM}:{PASSWORD}".encode()).hexdigest()  # noqa: S324 - SIP's digest
        yield PeerFacts(f"peer_{number}", name, ha1)


def fill(store: Store, size: int) -> None:
    """Write so many phones, a trunk, and a number that rings the first phone."""
    wanted = Snapshot(
        NODE,
        (TrunkFacts("trunk_1", (f"{FIRST}/32",)),),
        tuple(peers(0, size)),
        (NumberFacts(DDI, "trunk_1", "London", (StepFacts(1, "ring", ("peer_0",), 30),)),),
    )
    store.write(diff(render(wanted), store.read()), store.fence() + 1)


@dataclass(frozen=True)
class Changed(PbxPlan):
    """Asterisk on the same database with other files: by their names, what they hold."""

    files: dict[str, str] = field(default_factory=dict)
    tables: tuple[str, ...] = ()

    def prepare(self) -> None:
        """As ddiweb's own, then these files in place of its."""
        super().prepare()
        etc: Path = self.folder / "etc"
        for name, text in self.files.items():
            (etc / name).write_text(text)
        mapped = etc / "extconfig.conf"
        text = mapped.read_text()
        like = next(line for line in text.splitlines() if line.startswith("ps_aors"))
        lines = [like.replace("ps_aors", name) for name in self.tables]
        mapped.write_text("\n".join([text, *lines, ""]))
