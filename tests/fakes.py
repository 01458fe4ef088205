"""Targets in memory. They earn their place by passing tests/contracts with the real ones."""

from dataclasses import dataclass, field
from typing import Any, Literal

from ddiweb.deploy.errors import Refused
from ddiweb.deploy.models import Node
from ddiweb.deploy.target import Plan, Trial


@dataclass
class MemoryTarget:
    """A target whose world is a dictionary: name of a peer → its username."""

    name: str = "memory"
    world: dict[str, str] = field(default_factory=dict)
    fence: int = 0
    calls: list[str] = field(default_factory=list)
    fail: dict[str, list[Exception]] = field(default_factory=dict)
    lie: bool = False
    hasty: bool = False

    def _called(self, verb: str) -> None:
        self.calls.append(verb)
        if self.fail.get(verb):
            raise self.fail[verb].pop(0)

    def hurries(self, node: Node) -> bool:
        return self.hasty

    def hurry(self, node: Node, fence: int) -> None:
        self._called("hurry")

    def render(self, node: Node) -> dict[str, str]:
        self._called("render")
        return dict(node.peers.order_by("pk").values_list("name", "username"))

    def read(self, node: Node) -> dict[str, str]:
        self._called("read")
        return dict(self.world)

    def as_applied(self, node: Node, actual: dict[str, str]) -> bool:
        return False

    def diff(self, node: Node, desired: dict[str, str], actual: dict[str, str]) -> Plan:
        lines = [f"- {key}" for key in actual if key not in desired]
        lines += [f"+ {key}" for key, value in desired.items() if actual.get(key) != value]
        return Plan(tuple(lines), None)

    def apply(self, node: Node, desired: dict[str, str], plan: Plan, fence: int) -> None:
        self._called("apply")
        if fence < self.fence:
            raise Refused(f"fence {fence} is older than {self.fence}")
        self.fence = fence
        if not self.lie:
            self.world = dict(desired)

    def verify(self, node: Node, desired: dict[str, str]) -> list[str]:
        self._called("verify")
        return list(self.diff(node, desired, self.world).lines)

    def restore(self, node: Node, before: dict[str, Any], fence: int) -> None:
        self._called("restore")
        self.world = dict(before)

    def shut(self, node: Node, fence: int) -> None:
        self._called("shut")

    def settle(self, node: Node, desired: dict[str, str]) -> None:
        self._called("settle")


@dataclass
class TryingTarget(MemoryTarget):
    """A target whose next apply is on trial for some seconds; `proved`: somebody got in anew."""

    name: str = "trying"
    trial: Trial | None = None
    proved: bool = False
    state: Literal["running", "kept", "gone"] = "gone"

    def apply(  # type: ignore[override]
        self, node: Node, desired: dict[str, str], plan: Plan, fence: int
    ) -> Trial | None:
        super().apply(node, desired, plan, fence)
        if self.trial and self.trial.seconds:
            self.state = "running"
        return self.trial

    def confirm(self, node: Node, fence: int) -> None:
        self._called("confirm")
        if not self.proved:
            raise Refused("confirm: no new connection was seen")
        self.state = "kept"

    def give_up(self, node: Node, fence: int) -> None:
        self._called("give_up")
        self.state = "gone"

    def outcome(self, node: Node, fence: int) -> Literal["running", "kept", "gone"]:
        return self.state
