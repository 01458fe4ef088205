"""Outgoing calls as facts and as rows: who may call what, through which trunks, up to which caps.

A peer, or a step that forwards, is a *caller* with a policy. The policy names destinations by
prefixes of E.164 digits; the longest that fits decides, and without one the call is refused. Caps
are counted by the dialplan itself (deploy/asterisk/extensions.conf, ``[toll-…]``), so they hold
while ddiweb is down. Money is in ten-thousandths of the currency of the rates.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from peers.realtime import schema
from peers.realtime.rows import Row, row
from peers.realtime.text import between, matches, refuse

KEY = re.compile(r"\A[a-z0-9_]{1,40}\Z")
PREFIX = re.compile(r"\A[1-9][0-9]{0,14}\Z")
E164 = re.compile(r"\A[1-9][0-9]{6,14}\Z")
COUNTRY = re.compile(r"\A[1-9][0-9]{0,2}\Z")
DIAL_PREFIX = re.compile(r"\A[0-9]{0,6}\Z")
SHORT = re.compile(r"\A[0-9]{2,6}\Z")
#: Seconds: no call lasts longer, whatever a policy says.
LONGEST_CALL = 4 * 3600
TRUNKS_MAX = 10
#: Ten-thousandths of the currency; far below what Asterisk's arithmetic can tell apart.
MONEY_MAX = 10**12
RATES_MAX = 20_000
TRUNK_SEPARATOR = "&"


@dataclass(frozen=True)
class Caps:
    """What one peer, or one trunk, may use: calls at once, calls a minute, a day's seconds, money.

    A day is one of UTC. 0 is no limit.
    """

    calls: int = 0
    calls_a_minute: int = 0
    seconds_a_day: int = 0
    money_a_day: int = 0

    def __post_init__(self) -> None:
        between("caps.calls", self.calls, 0, 100_000)
        # The dialplan keeps the time of each of these calls.
        between("caps.calls_a_minute", self.calls_a_minute, 0, 120)
        between("caps.seconds_a_day", self.seconds_a_day, 0, 10**9)
        between("caps.money_a_day", self.money_a_day, 0, MONEY_MAX)

    def columns(self) -> dict[str, str]:
        """The columns that both tables with caps have."""
        return {
            "calls": str(self.calls),
            "minute": str(self.calls_a_minute),
            "seconds": str(self.seconds_a_day),
            "money": str(self.money_a_day),
        }


@dataclass(frozen=True)
class RateFacts:
    """What a trunk's vendor asks for numbers with ``prefix``, in ten-thousandths.

    ``setup`` once a call; ``a_minute`` for each begun ``increment`` of seconds in proportion.
    """

    prefix: str
    a_minute: int
    setup: int = 0
    increment: int = 60

    def __post_init__(self) -> None:
        matches("rate.prefix", PREFIX, self.prefix, "write 1 to 15 digits, country code first")
        between("rate.a_minute", self.a_minute, 0, 10**8)
        between("rate.setup", self.setup, 0, 10**8)
        between("rate.increment", self.increment, 1, 3600)


@dataclass(frozen=True)
class TollFacts:
    """One trunk's caps for outgoing calls, and its vendor's rates.

    ``channels`` is what the vendor takes at once in both directions, 0 for no limit.
    """

    trunk_key: str
    caps: Caps = Caps()
    channels: int = 0
    rates: tuple[RateFacts, ...] = ()

    def __post_init__(self) -> None:
        matches("toll.trunk", KEY, self.trunk_key, "use [a-z0-9_]")
        between("toll.channels", self.channels, 0, 100_000)
        if len(self.rates) > RATES_MAX:
            raise refuse("toll.rates", "are too many", f"at most {RATES_MAX}")


@dataclass(frozen=True)
class PolicyFacts:
    """What callers with this policy may dial. ``destinations`` are (prefix, allowed).

    ``country`` is the code that a national number is of; ``international`` and ``national`` are
    what people there dial before a country code and before a national number; ``bare``: a number
    without either is a national one. ``caps`` hold for each caller by itself. ``emergency`` are
    numbers that are always let through, by ``emergency_trunks`` in order.
    """

    key: str
    trunks: tuple[str, ...] = ()
    destinations: tuple[tuple[str, bool], ...] = ()
    country: str = ""
    international: str = "00"
    national: str = "0"
    bare: bool = False
    caps: Caps = Caps(calls=2, calls_a_minute=10, seconds_a_day=7200)
    longest_call: int = 3600
    emergency: tuple[str, ...] = ()
    emergency_trunks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        matches("policy.key", KEY, self.key, "use [a-z0-9_]")
        for name in ("trunks", "emergency_trunks"):
            keys: tuple[str, ...] = getattr(self, name)
            for key in keys:
                matches(f"policy.{name}", KEY, key, "name trunks by their keys")
            if len(set(keys)) != len(keys) or len(keys) > TRUNKS_MAX:
                raise refuse(f"policy.{name}", "are repeated or too many", "name each once")
        for prefix, _ in self.destinations:
            matches("policy.destinations", PREFIX, prefix, "write 1 to 15 digits")
        if len({prefix for prefix, _ in self.destinations}) != len(self.destinations):
            raise refuse("policy.destinations", "name a prefix twice", "remove one")
        if self.country:
            matches("policy.country", COUNTRY, self.country, "write a country code such as 44")
        for name in ("international", "national"):
            matches(f"policy.{name}", DIAL_PREFIX, getattr(self, name), "write at most 6 digits")
        between("policy.longest_call", self.longest_call, 1, LONGEST_CALL)
        for number in self.emergency:
            matches("policy.emergency", SHORT, number, "write 2 to 6 digits")
        if self.emergency and not self.emergency_trunks:
            raise refuse("policy.emergency_trunks", "are none", "choose one for emergencies")


@dataclass(frozen=True)
class CallerOutFacts:
    """Who calls: the key of a peer, its policy, and the DDI that it shows, digits alone."""

    key: str
    policy: str
    number: str

    def __post_init__(self) -> None:
        matches("outgoing.key", KEY, self.key, "use [a-z0-9_]")
        matches("outgoing.policy", KEY, self.policy, "name a policy by its key")
        matches("outgoing.number", E164, self.number, "choose the DDI that is shown")


@dataclass(frozen=True)
class OutgoingFacts:
    """All of a node's outgoing calls; without callers and policies no phone reaches anything."""

    callers: tuple[CallerOutFacts, ...] = ()
    policies: tuple[PolicyFacts, ...] = ()
    tolls: tuple[TollFacts, ...] = ()

    def __post_init__(self) -> None:
        for name, keys in (
            ("outgoing callers", [one.key for one in self.callers]),
            ("outgoing policies", [one.key for one in self.policies]),
            ("tolls", [one.trunk_key for one in self.tolls]),
        ):
            if len(set(keys)) != len(keys):
                raise refuse(name, "stand twice", "remove one")
        known = {one.key for one in self.policies}
        if any(one.policy not in known for one in self.callers):
            raise refuse("outgoing.policy", "is unknown", "choose another")


def needed(rules: Iterable[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Rules that say something else than the next shorter one, sorted; by default all is denied."""
    kept: dict[str, bool] = {}
    for prefix, allowed in sorted(rules):
        above = next(
            (kept[prefix[:n]] for n in range(len(prefix), 0, -1) if prefix[:n] in kept), False
        )
        if allowed != above:
            kept[prefix] = allowed
    return sorted(kept.items())


def rows(outgoing: OutgoingFacts, trunks: set[str]) -> Iterator[Row]:
    """All rows; a trunk that is not among ``trunks`` (it is off) is left out of its policies."""
    for caller in outgoing.callers:
        yield row(schema.OUTGOING, caller.key, policy=caller.policy, number=caller.number)
    for policy in outgoing.policies:
        yield from _policy(policy, trunks)
    for toll in outgoing.tolls:
        if toll.trunk_key in trunks:
            yield from _toll(toll)


def _policy(policy: PolicyFacts, trunks: set[str]) -> Iterator[Row]:
    def there(keys: tuple[str, ...]) -> str:
        return TRUNK_SEPARATOR.join(key for key in keys if key in trunks)

    rules = needed(policy.destinations)
    yield row(
        schema.POLICIES,
        policy.key,
        trunks=there(policy.trunks),
        emergency=there(policy.emergency_trunks),
        country=policy.country,
        international=policy.international,
        national=policy.national,
        bare="yes" if policy.bare and policy.country else "no",
        longest=str(max((len(prefix) for prefix, _ in rules), default=0)),
        limit=str(policy.longest_call),
        **policy.caps.columns(),
    )
    for prefix, allowed in rules:
        verdict = "allow" if allowed else "deny"
        yield row(schema.DESTINATIONS, f"{policy.key}-{prefix}", verdict=verdict)
    for number in sorted(set(policy.emergency)):
        yield row(schema.EMERGENCY, f"{policy.key}-{number}")


def _toll(toll: TollFacts) -> Iterator[Row]:
    yield row(
        schema.TOLLS,
        toll.trunk_key,
        channels=str(toll.channels),
        longest=str(max((len(rate.prefix) for rate in toll.rates), default=0)),
        **toll.caps.columns(),
    )
    for rate in toll.rates:
        yield row(
            schema.RATES,
            f"{toll.trunk_key}-{rate.prefix}",
            rate=str(rate.a_minute),
            setup=str(rate.setup),
            increment=str(rate.increment),
        )
