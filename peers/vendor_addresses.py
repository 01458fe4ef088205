"""Reads networks and resolved addresses from the ORM, for rendering and for showing."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from ddiweb.deploy.errors import Refused
from ddiweb.deploy.models import Node
from peers.models import Trunk, TrunkAddress, TrunkNetwork
from peers.vendor_names import Claim, Judgement, Static, judge


def judgement(node: Node) -> Judgement:
    """Which resolved addresses of ``node``'s enabled trunks are let in, by its rows alone.

    No clock is asked: an address is let in until its row is gone, so that one generation always
    renders to the same rows and rules. Raises Refused for a row that no form could have written.
    """
    networks = TrunkNetwork.objects.filter(trunk__node=node).order_by("pk")
    rows = TrunkAddress.objects.filter(host__trunk__node=node, host__trunk__enabled=True)
    claims = [
        Claim(
            pk=row.pk,
            trunk=row.host.trunk_id,
            address=row.address,
            first_seen=row.first_seen,
            gone=row.gone_since is not None,
            private_allowed=row.host.trunk.private_allowed,
        )
        for row in rows.select_related("host__trunk")
    ]
    static = [Static(trunk, cidr) for trunk, cidr in networks.values_list("trunk_id", "cidr")]
    own = [one for one in (node.public_ipv4, node.public_ipv6) if one]
    try:
        return judge(static, claims, own)
    except ValueError:
        raise Refused(
            "a vendor's network or address in the database can't be read; delete and add it anew"
        ) from None


def networks_of(node: Node) -> dict[int, tuple[str, ...]]:
    """Trunk → what is let in for it: its networks and the addresses of its names."""
    judged = judgement(node)
    found: dict[int, list[str]] = defaultdict(list)
    for one in judged.static:
        found[one.trunk].append(one.cidr)
    for trunk in {claim.trunk for claim in judged.claims}:
        found[trunk] += judged.resolved(trunk)
    return {trunk: tuple(sorted(cidrs)) for trunk, cidrs in found.items()}


def vendors(node: Node) -> tuple[str, ...]:
    """Everything that the node's firewall lets in as a vendor, each once."""
    enabled = Trunk.objects.filter(node=node, enabled=True).values_list("pk", flat=True)
    networks = networks_of(node)
    return tuple(sorted({cidr for pk in enabled for cidr in networks.get(pk, ())}))


@dataclass(frozen=True)
class Shown:
    """An address as people see it. ``state``: ``live``, ``grace`` or ``refused``."""

    row: TrunkAddress
    state: str
    note: str

    def __getattr__(self, name: str) -> Any:
        """The row's own fields."""
        return getattr(self.row, name)


STATES = ("live", "grace", "refused")


def shown(row: TrunkAddress, judged: Judgement, *, enabled: bool = True) -> Shown:
    """One address with its state."""
    note = judged.notes.get(row.pk, "") if enabled else "the trunk is switched off"
    state = "refused" if note else "grace" if row.gone_since else "live"
    return Shown(row, state, note)
