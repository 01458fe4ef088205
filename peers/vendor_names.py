"""Which resolved addresses are let in: pure, from rows and times, without a socket or a database.

DNS is not trusted: whoever can forge an answer could name any address. So a name never opens the
node's own or special addresses, never takes another trunk's, and never shuts anybody out by
failing.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: A vendor with more addresses behind one name than this is let in by a network instead.
MOST_ADDRESSES = 64
#: Networks of all vendors of a node together: what one ruleset takes (ruleset.types).
MOST_NETWORKS = 1024
#: Time between two looks that is longer than this, or negative, is no time that passed: the clock
#: was set, or ddiweb was off. It does not count towards a grace.
LONGEST_STEP = timedelta(hours=1)

_PRIVATE = "a private address, which this trunk may not have"
_SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(cidr), what)
    for cidr, what in (
        ("127.0.0.0/8", "a loopback address"),
        ("::1/128", "a loopback address"),
        ("169.254.0.0/16", "a link-local address"),
        ("fe80::/10", "a link-local address"),
        ("224.0.0.0/4", "a multicast address"),
        ("ff00::/8", "a multicast address"),
        ("0.0.0.0/8", "no address of a host"),
        ("192.0.0.0/24", "no address of a host"),
        ("240.0.0.0/4", "no address of a host"),
        # Teredo and 6to4 hide an IPv4 address of anybody (RFC 4380, RFC 3056).
        ("2001::/32", "an address of a tunnel"),
        ("2002::/16", "an address of a tunnel"),
    )
)
#: RFC 1918, RFC 6598, RFC 2544, RFC 4193.
_PRIVATE_NETWORKS: tuple[Network, ...] = tuple(
    ipaddress.ip_network(cidr)
    for cidr in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15",
        "fc00::/7",
    )
)  # fmt: skip
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")


def unusable(text: str, *, private_allowed: bool) -> str:
    """Why an address from DNS can't be a vendor's, or the empty string."""
    address = ipaddress.ip_address(text)
    for network, what in _SPECIAL:
        if address in network:
            return what
    if any(address in network for network in _PRIVATE_NETWORKS):
        return "" if private_allowed else _PRIVATE
    if address.version == 6 and address not in _GLOBAL_IPV6:
        # Also IPv4 in the form of IPv6, and what a DNS64 makes up (64:ff9b::/96).
        return "no public address"
    return ""


@dataclass(frozen=True)
class Claim:
    """A name of ``trunk`` leads to ``address``, or did so until lately (``gone``)."""

    pk: int
    trunk: int
    address: str
    first_seen: datetime
    gone: bool = False
    private_allowed: bool = False

    @property
    def cidr(self) -> str:
        """The address as a network of one."""
        address = ipaddress.ip_address(self.address)
        return f"{address}/{address.max_prefixlen}"


@dataclass(frozen=True)
class Static:
    """A network that a person wrote down for ``trunk``."""

    trunk: int
    cidr: str


class Cover:
    """Finds the networks around an address without a look at each of them."""

    def __init__(self, networks: Iterable[Static]) -> None:
        self._of: dict[Network, Static] = {ipaddress.ip_network(one.cidr): one for one in networks}
        self._lengths = sorted({(net.version, net.prefixlen) for net in self._of})

    def around(self, text: str) -> list[Static]:
        """The networks that hold the address."""
        address = ipaddress.ip_address(text)
        supers = (
            ipaddress.ip_network((address, length), strict=False)
            for version, length in self._lengths
            if version == address.version
        )
        return [self._of[net] for net in supers if net in self._of]


@dataclass(frozen=True)
class Judgement:
    """Which claims hold: ``notes`` says of each other one, by its pk, why it does not."""

    static: tuple[Static, ...]
    claims: tuple[Claim, ...]
    notes: dict[int, str]

    def resolved(self, trunk: int) -> tuple[str, ...]:
        """The resolved addresses of ``trunk`` that are let in, as networks of one."""
        own = {one.cidr for one in self.static if one.trunk == trunk}
        found = {
            claim.cidr
            for claim in self.claims
            if claim.trunk == trunk and claim.pk not in self.notes
        }
        return tuple(sorted(found - own))

    def pairs(self) -> frozenset[tuple[int, str]]:
        """Every (trunk, resolved network) that is let in: what a deployment would change."""
        trunks = {claim.trunk for claim in self.claims}
        return frozenset((trunk, cidr) for trunk in trunks for cidr in self.resolved(trunk))


def judge(static: Sequence[Static], claims: Iterable[Claim], own: Iterable[str] = ()) -> Judgement:
    """Decide which claims hold, the same for the same rows in any order.

    ``static`` are the networks of every trunk of the node, ``own`` the node's own addresses. A
    network that a person wrote wins over a name; of two trunks whose names lead to one address
    the one that is led there now wins over the one in its grace, then the earlier one.
    """
    ordered = sorted(claims, key=lambda claim: (claim.gone, claim.first_seen, claim.pk))
    cover = Cover(static)
    mine = {str(ipaddress.ip_address(one)) for one in own}
    room = MOST_NETWORKS - len({one.cidr for one in static})
    holders: dict[str, int] = {}
    notes: dict[int, str] = {}
    for claim in ordered:
        note = unusable(claim.address, private_allowed=claim.private_allowed)
        if not note and claim.address in mine:
            note = "this node's own address"
        if not note:
            others = [one for one in cover.around(claim.address) if one.trunk != claim.trunk]
            note = f"in {others[0].cidr} of another trunk" if others else ""
        if not note and holders.get(claim.cidr, claim.trunk) != claim.trunk:
            note = "an address of another trunk's name"
        if not note and claim.cidr not in holders and len(holders) >= room:
            note = f"too many: a node has at most {MOST_NETWORKS} networks of vendors"
        if note:
            notes[claim.pk] = note
        else:
            holders[claim.cidr] = claim.trunk
    return Judgement(tuple(static), tuple(ordered), notes)


@dataclass(frozen=True)
class Known:
    """A stored address of one name."""

    pk: int
    address: str
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Outcome:
    """What an answer does to the stored addresses of its name."""

    added: tuple[str, ...] = ()
    seen: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()
    expired: tuple[int, ...] = ()


def settle(
    known: Sequence[Known], answered: Sequence[str], *, whole: bool, now: datetime
) -> Outcome:
    """Compare what is stored with what was answered at ``now``.

    ``whole`` is False if a part of the lookup failed: then nothing is taken for gone and nothing
    expires. Beyond MOST_ADDRESSES those go first that would expire first.
    """
    there = set(answered)
    if not there:
        return Outcome()
    stored = {one.address for one in known}
    added = tuple(address for address in dict.fromkeys(answered) if address not in stored)
    seen = tuple(one.pk for one in known if one.address in there)
    absent = [one for one in known if one.address not in there]
    waiting = sorted((one.expires_at, one.pk) for one in absent if one.expires_at is not None)
    leaving = [one.pk for one in absent if one.expires_at is None]
    expired = [pk for expires_at, pk in waiting if whole and expires_at <= now]
    over = len(known) - len(expired) + len(added) - MOST_ADDRESSES
    if over > 0:
        rest = [pk for _, pk in waiting if pk not in expired] + leaving
        expired += rest[:over]
    gone = tuple(pk for pk in leaving if whole and pk not in expired)
    return Outcome(added, seen, gone, tuple(expired))


def not_counted(last: datetime | None, now: datetime, usual: timedelta = timedelta(0)) -> timedelta:
    """How much of the time since the last look did not really pass; graces end later by it.

    ``usual``: how far apart looks may be anyhow.
    """
    elapsed = now - last if last else timedelta(0)
    passed = timedelta(0) <= elapsed <= max(LONGEST_STEP, usual)
    return timedelta(0) if passed else elapsed
