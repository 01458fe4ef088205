"""From an intent to the two families' rules. Pure: the same intent gives the same bytes.

The order, and why:

1. loopback.
2. UDP to the SIP port, to the IAX2 port and to the RTP range go to gates of their own that end in
   DROP, so the later "established" rule can not shadow them.
3. The administrator: the agent's own networks first, before anything that is editable could
   decide about TCP. They are rules, not a set, so that no set can lose them.
4. TCP to the SIP and TLS ports: a gate too; before "established", so a removed vendor is out.
5. The host's other services.
6. Related and established, ICMP, DHCP, DROP.

Marks are tested positively wherever ACCEPT depends on them: connmark matches nothing, not even
negated, on a packet that conntrack does not know.
"""

from typing import Literal

from firewall.ruleset.gates import Gates, Step, chain, to
from firewall.ruleset.matches import Icmp, Known, Loopback, Port, Rate, Source, TcpPorts
from firewall.ruleset.rules import Block, Chain, Family, Rule, Verdict
from firewall.ruleset.tree import token_chains
from firewall.ruleset.types import Intent, Management, Service
from firewall.ruleset.values import MAX_MANAGEMENT_PORTS, Invalid

ENTRY = "DDI-IN"  # the one chain that INPUT calls
_ACCEPT = Verdict("ACCEPT")
_DROP = Verdict("DROP")


def build(
    intent: Intent,
    management: Management,
    version: Literal[4, 6],
    slot: str = "a",
    home: Block | None = None,
) -> Family:
    """The rules and sets of one family; raises `Invalid` where intent and agent contradict.

    `slot` names the generation of chains (`DDIa-…`): two can be loaded beside each other. `home`
    are the networks of the intent's countries; they are needed if it names any.
    """
    _check(intent, management)
    if intent.countries and home is None:
        raise Invalid(
            "countries",
            "are named, but the agent has no list of their addresses",
            "install tor-geoipdb and name its files in the agent's configuration (country_files)",
        )
    gates = Gates(intent, version, slot, home if intent.countries else None)
    chains = [
        Chain(ENTRY, (Rule((), to(slot, "IN")),)),
        _input(intent, management, version, slot),
        chain(slot, "MGMT", *_management(intent, management, version)),
        *gates.before(),
        *token_chains(slot, intent.site_prefix, intent.tokens),
        *gates.behind(),
    ]
    return Family(version, tuple(chains), gates.sets)


def _check(intent: Intent, management: Management) -> None:
    for name in ("sip_port", "tls_port"):
        if getattr(intent, name) in management.ports:
            raise Invalid(name, "is a built-in management port", "take another port")
    for index, service in enumerate(intent.services):
        if any(service.touches("tcp", port, port) for port in management.ports):
            raise Invalid(
                f"services[{index}]", "opens a built-in management port", "take other ports"
            )
    count = len({*management.ports, *intent.management_ports})
    if count > MAX_MANAGEMENT_PORTS:
        raise Invalid(
            "management_ports",
            f"are {count} with the built-in ones",
            f"give at most {MAX_MANAGEMENT_PORTS} together",
        )


def _input(intent: Intent, management: Management, version: Literal[4, 6], slot: str) -> Chain:
    ports = tuple(sorted({*management.ports, *intent.management_ports}))
    sip, tls, iax = intent.sip_port, intent.tls_port, intent.iax_port
    gate = TcpPorts(tuple(sorted((sip, tls)))) if tls else Port("tcp", sip, sip)
    return chain(
        slot,
        "IN",
        ((Loopback(),), _ACCEPT),
        ((Port("udp", sip, sip),), to(slot, "SIP")),
        ((Port("udp", intent.rtp_first, intent.rtp_last),), to(slot, "RTP")),
        *([((Port("udp", iax, iax),), to(slot, "IAX"))] if iax else ()),
        ((TcpPorts(ports),), to(slot, "MGMT", back=True)),
        ((gate,), to(slot, "TCP")),
        *(_service(one) for one in intent.services if _concerns(one.network, version)),
        ((Known(),), _ACCEPT),
        *(_icmp4() if version == 4 else _icmp6()),
        ((), _DROP),
    )


def _service(service: Service) -> Step:
    port = Port(service.protocol, service.first, service.last)
    return ((Source(service.network), port) if service.network else (port,), _ACCEPT)


def _management(intent: Intent, management: Management, version: int) -> list[Step]:
    extra = [net for net in intent.management if net not in management.networks]
    ordered = [*management.networks, *extra]
    return [((Source(net),), _ACCEPT) for net in ordered if _concerns(net, version)]


def _concerns(net: str, version: int) -> bool:
    """Whether a network is of this family; an empty one is of both."""
    return not net or (":" in net) == (version == 6)


def _icmp4() -> list[Step]:
    """Echo, and the DHCP answers that a lease lives on; errors come as RELATED."""
    return [
        ((Icmp(4, 8), Rate(100, 200)), _ACCEPT),
        ((Port("udp", 68, 68, source=67),), _ACCEPT),
    ]


def _icmp6() -> list[Step]:
    """RFC 4890, section 4.4: errors, echo; multicast listener and neighbour discovery on link.

    Conntrack does not follow neighbour discovery, so no other rule would let it in.
    """
    rules: list[Step] = []
    rules += [((Icmp(6, kind, on_link=True),), _ACCEPT) for kind in (133, 134, 135, 136)]
    rules += [((Icmp(6, kind),), _ACCEPT) for kind in (1, 2, 3, 4)]
    rules.append(((Icmp(6, 128), Rate(100, 200)), _ACCEPT))
    rules += [((Source("fe80::/10"), Icmp(6, kind)), _ACCEPT) for kind in (130, 131, 132, 143)]
    rules.append(((Source("fe80::/10"), Port("udp", 546, 546, source=547)), _ACCEPT))
    return rules
