"""Hears who failed at Asterisk, and shuts out the address, or the token that leaked.

Runs beside the node's Asterisk and speaks to its agent itself, so a ban is in the kernel within a
second of the event. What it can't tell the agent stands in the rows, and `look_after` brings it.
"""

import contextlib
import ipaddress
import logging
import time
from collections import Counter
from collections.abc import Iterator

from django.conf import settings
from django.core.exceptions import ValidationError

from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.models import Node
from ddiweb.live import record
from firewall import ban_rules, bans
from firewall.channel import AgentChannel
from firewall.choices import BanReason, BanSource
from firewall.tally import Places, Window, place
from peers import quarantine
from peers.choices import LIVE_TOKEN_STATES, LeakKind
from peers.models import Token
from peers.realtime.events import Incident
from peers.services import token_digest

log = logging.getLogger(__name__)

#: Incidents that count towards a ban, and the reason that the ban is given.
COUNTED = {
    "wrong_password": BanReason.WRONG_PASSWORD,
    "unknown_account": BanReason.UNKNOWN_ACCOUNT,
    "refused_address": BanReason.REFUSED_ADDRESS,
}
#: A token whose passwords fail from so many places is not one phone with a wrong password.
FAILING_PLACES = 2
#: Seconds between two comparisons of the kernel with the rows, and two looks at the flows.
BRING_EVERY, PLACES_EVERY = 15.0, 10.0
#: Events that come so soon after a ban (seconds) were on their way: they count towards no other.
ON_ITS_WAY = 10.0


class Sentry:
    """Counts for one node; used by one thread."""

    def __init__(self, node: Node, channel: AgentChannel | None = None) -> None:
        self.node = node
        self.channel = channel or AgentChannel(settings.AGENT_SOCKET, timeout=5.0)
        self._failures: Window[str] = Window(node.ban_window)
        self._tokens: Window[str] = Window(node.ban_window)
        self._places = Places()
        self._decided: Window[None] = Window(ON_ITS_WAY)
        self._bring_at = self._places_at = 0.0

    def heard(self, seen: Incident) -> None:
        """Store an incident; ban, or quarantine, if it was one too many."""
        address = _plain(seen.address)
        if seen.kind in COUNTED and address and not self.node.dry_run:
            self._count(seen, address)
        record.incident(self.node, seen)

    def look_after(self) -> None:
        """From time to time: the node's own settings, the kernel's bans, the tokens' places."""
        now = time.monotonic()
        if self.node.dry_run:
            return
        if now >= self._bring_at:
            self._bring_at = now + BRING_EVERY
            self.node.refresh_from_db()
            self._failures.seconds = self._tokens.seconds = self.node.ban_window
            with _agent_may_be_away("bans are not compared"):
                bans.bring(self.node, self.channel)
        if now >= self._places_at:
            self._places_at = now + PLACES_EVERY
            with _agent_may_be_away("tokens' places are not seen"):
                self.judge_places(now, self.channel.places())

    def judge_places(self, now: float, seen: dict[int, dict[str, int]]) -> None:
        """Quarantine each token that is in use in too many places at once."""
        for mark, places in self._places.look(now, seen).items():
            if len(places) >= settings.LEAK_PLACES:
                self._quarantine(mark, LeakKind.PLACES, places)

    def _count(self, seen: Incident, address: str) -> None:
        now = time.monotonic()
        net = bans.place_of(address)
        if self._decided.has(net, now):
            return
        mark = 0 if seen.port else self._named(seen.account)
        # Before the ban, which ends the flow that tells whose it is.
        with _agent_may_be_away("the token of a failure is not known"):
            mark = mark or (self.channel.whose(address, seen.port) if seen.port else 0)
        failures = self._failures.add(net, now, seen.kind)
        if len(failures) >= self.node.ban_failures:
            self._failures.forget(net)
            self._decided.add(net, now, None)
            self._ban(net, address, failures)
        if mark:
            places = self._tokens.add(mark, now, place(address))
            enough = len(places) >= self.node.ban_failures
            if enough and len(set(places)) >= FAILING_PLACES:
                self._tokens.forget(mark)
                self._quarantine(mark, LeakKind.PASSWORDS, sorted(set(places)))

    def _named(self, account: str) -> int:
        """The mark of the token that an IAX2 phone signs in with; 0 if it is none."""
        digest = token_digest(account)
        token = Token.objects.filter(node=self.node, digest=digest).only("mark").first()
        return token.mark if token else 0

    def _ban(self, net: str, address: str, failures: list[str]) -> None:
        kind = Counter(failures).most_common(1)[0][0]
        note = f"{len(failures)} failures within {self.node.ban_window} s"
        try:
            row = bans.ban(
                self.node, net, COUNTED[kind], self.node.ban_seconds,
                source=BanSource.WATCH, note=note,
            )  # fmt: skip
        except ValidationError as error:
            self._spared(address, error)
            return
        log.warning("%s is banned for %s s: %s", row, self.node.ban_seconds, note)
        with _agent_may_be_away(f"the ban of {row} waits"):
            bans.tell(self.node, self.channel, {row.cidr: self.node.ban_seconds})

    def _spared(self, address: str, error: ValidationError) -> None:
        """Say why somebody who fails is not banned: a person may want to decide otherwise."""
        codes = {one.code for faults in error.error_dict.values() for one in faults}
        if codes == {"banned_already"}:
            return  # what was on its way when the ban came
        account = ", ".join(ban_rules.online(self.node, bans.place_of(address)))
        kind = "spared_phone_online" if "phone_online" in codes else "spared_guarded"
        log.warning("%s is not banned: %s", address, "; ".join(error.messages))
        record.incident(self.node, Incident(kind, account, address, 0))

    def _quarantine(self, mark: int, kind: LeakKind, places: list[str]) -> None:
        token = Token.objects.filter(node=self.node, mark=mark, state__in=LIVE_TOKEN_STATES).first()
        if token is not None and quarantine.quarantine(token, kind, places):
            log.warning("token %s is quarantined: %s from %s", token.hint, kind, ", ".join(places))


def _plain(address: str) -> str:
    """The address in its canonical form, or empty: what is no address can't be banned."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return "" if parsed.is_loopback or parsed.is_link_local else str(parsed)


@contextlib.contextmanager
def _agent_may_be_away(what: str) -> Iterator[None]:
    try:
        yield
    except DeployError as error:
        log.warning("%s: %s", what, error)
