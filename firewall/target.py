"""The firewall target: typed intent to the agent, which renders, applies, dumps and compares."""

from dataclasses import dataclass
from typing import Any, Literal

from django.conf import settings

from ddiweb import clock
from ddiweb.deploy.errors import Retryable
from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.target import Plan, Trial
from firewall import quick, snapshot
from firewall.channel import AgentChannel
from firewall.ruleset import drift
from firewall.ruleset.text import preview
from firewall.ruleset.types import Intent, Management
from peers.choices import TokenState
from peers.models import Token

#: Documentation addresses (RFC 5737, RFC 3849): the real ones are known to the agent alone.
STAND_IN = Management(("192.0.2.1/32", "2001:db8::1/128"), (22,))
STAND_IN_NOTE = f"# {STAND_IN.networks[0]} stands for the management networks built into the agent"


@dataclass(frozen=True)
class Desired:
    """The intent, and the rows that will have to say so: of tokens that it cuts, brings, drops."""

    intent: Intent
    dead_tokens: tuple[int, ...]
    brought: tuple[int, ...]
    dropped: tuple[int, ...]


class FirewallTarget:
    """The rules of one node. The agent holds the truth of what is there and of what was good."""

    name = "firewall"

    def __init__(self, channel: AgentChannel | None = None) -> None:
        self.channel = channel or AgentChannel(settings.AGENT_SOCKET)
        self._finds_flows = False
        self._held: tuple[str, ...] = ()

    def render(self, node: Node) -> Desired:
        """Return the intent of the newest generation."""
        dead = Token.objects.filter(node=node, state=TokenState.REVOKED, cut_at__isnull=True)
        # Before the intent: a token that is revoked after this line is not taken for cut.
        pks = tuple(dead.values_list("pk", flat=True))
        brought, dropped = quick.unsettled(node)
        return Desired(snapshot.take(node), pks, brought, dropped)

    def hurries(self, node: Node) -> bool:
        """Whether tokens wait that need not wait for the whole deployment."""
        return bool(quick.waiting(node))

    def hurry(self, node: Node, fence: int) -> None:
        """Bring those tokens into force, or out of it."""
        quick.run(node, self.channel, fence)

    def read(self, node: Node) -> dict[str, Any]:
        """Return the agent's word on what is in force."""
        if node.dry_run:
            return {}
        status = self.channel.status()
        if status["trial"]:
            # Also one of ours whose worker died: what it tries must not pass for what is in force.
            raise Retryable(f"another change is on trial for {status['trial']['seconds']} s")
        self._finds_flows = bool(status["conntrack"])
        return status

    def diff(self, node: Node, desired: Desired, actual: dict[str, Any]) -> Plan:
        """Let the agent compare the real rules with what it would render."""
        if node.dry_run:
            return Plan((STAND_IN_NOTE, *preview(desired.intent, STAND_IN)), None)
        lines = tuple(self.channel.plan(desired.intent))
        cuts = tuple(f"! cut the flows of token {pk}" for pk in desired.dead_tokens)
        seen = tuple(map(drift.seen, lines))
        return Plan((*lines, *cuts), None, tuple(drift.words(lines)), seen)

    def as_applied(self, node: Node, actual: dict[str, Any]) -> bool:
        """The agent compares the kernel with the intent that it keeps: none has to be sent."""
        return bool(actual.get("in_force")) and actual.get("generation") == node.generation

    def apply(self, node: Node, desired: Desired, plan: Plan, fence: int) -> Trial | None:
        """Bring the intent into force; the agent restores its last good rules if it can't.

        What could lock the administrator out is only tried, and by a person's wish alone: nobody
        sits before the panel when a grace ends at night.
        """
        asked = Deployment.objects.filter(node=node, fence=fence).first()
        done = self.channel.apply(
            desired.intent,
            fence,
            node.trial_seconds,
            hold=not (asked and asked.requested_by_id),
            requested_from=asked.requested_from if asked else None,
        )
        if tried := done.get("trial"):
            return Trial(tried["seconds"], tuple(tried["changes"]))
        self._held = tuple(done.get("held", ()))
        return Trial(0, self._held) if self._held else None

    def verify(self, node: Node, desired: Desired) -> list[str]:
        """Compare the real rules once more, by a dump made now."""
        if self._held:
            return list(self.channel.status()["drift"])
        return list(self.channel.plan(desired.intent))

    def confirm(self, node: Node, fence: int) -> None:
        """Keep what is on trial; the agent asks for proof of a new connection."""
        self.channel.confirm(fence)

    def give_up(self, node: Node, fence: int) -> None:
        """End the trial at once."""
        self.channel.rollback(fence)

    def outcome(self, node: Node, fence: int) -> Literal["running", "kept", "gone"]:
        """What became of the trial, by the agent's word."""
        status = self.channel.status()
        if status["trial"] and status["trial"]["fence"] == fence:
            return "running"
        return "kept" if status["confirmed"] == fence else "gone"

    def restore(self, node: Node, before: dict[str, Any], fence: int) -> None:
        """Take back what was applied under ``fence``; the agent knows whether anything was."""
        self.channel.rollback(fence)

    def shut(self, node: Node, fence: int) -> None:
        """Shut revoked tokens, and those of peers that are off, out of the rules in force."""
        if marks := snapshot.revoked(node):
            self.channel.revoke(marks, fence)

    def settle(self, node: Node, desired: Desired) -> None:
        """Note that the flows of revoked tokens are cut, and forget the tokens' values.

        An agent without conntrack can't end a flow that is silent just now: its mark then stays
        on the list of revoked ones for good, instead of until the next edit.
        """
        generation = desired.intent.generation if self._finds_flows else None
        Token.objects.filter(pk__in=desired.dead_tokens, state=TokenState.REVOKED).update(
            cut_at=clock.now(), cut_generation=generation, value=""
        )
        quick.settle(desired.brought, desired.dropped)
