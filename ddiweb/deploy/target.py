"""The one shape of everything that a deployment changes on a node."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from ddiweb.deploy.models import Node


@dataclass(frozen=True)
class Plan:
    """What would change on one target.

    ``lines`` are fit for the screen: secrets are redacted. ``payload`` is the target's own.
    Where nobody asked for a change, ``words`` and ``seen`` say what somebody else must have done:
    in sentences, and line by line.
    """

    lines: tuple[str, ...]
    payload: Any
    words: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.lines


@dataclass(frozen=True)
class Trial:
    """What an apply brought into force for a time only: ``seconds``; ``changes`` in plain words.

    With ``seconds`` 0 it was not even tried, for nobody confirmed it the last time.
    """

    seconds: int
    changes: tuple[str, ...]


class Target(Protocol):
    """Read, render, diff, apply, verify, restore; the same for rows and for rules.

    Each method may raise Retryable (unreachable), Refused (nothing was changed) or Failed.
    """

    name: str

    def hurries(self, node: Node) -> bool:
        """Whether something waits that needs no other target and may not wait for a whole run."""

    def hurry(self, node: Node, fence: int) -> None:
        """Bring that about, in time that does not grow with the node; the run behind proves it.

        Asked of every target, in order, if any one hurries; most have nothing to do.
        """

    def render(self, node: Node) -> Any:
        """Snapshot the database in one transaction and render it, purely, to what should be."""

    def read(self, node: Node) -> Any:
        """Return what is there now."""

    def as_applied(self, node: Node, actual: Any) -> bool:
        """Whether ``actual`` is known to be what the newest generation says, without rendering it.

        Asked often, to find what somebody else changed; False where only a comparison can tell.
        """

    def diff(self, node: Node, desired: Any, actual: Any) -> Plan:
        """Compare; an empty plan means that nothing has to be done."""

    def apply(self, node: Node, desired: Any, plan: Plan, fence: int) -> Trial | None:
        """Bring it about; a fence lower than one seen before is Refused.

        Returns what of it ends by itself unless somebody confirms it (see `Trying`).
        """

    def verify(self, node: Node, desired: Any) -> list[str]:
        """Read back and return what differs from ``desired``; empty is good."""

    def restore(self, node: Node, before: Any, fence: int) -> None:
        """Put back what ``read`` returned before ``apply``; ``fence`` is that apply's own."""

    def shut(self, node: Node, fence: int) -> None:
        """Cut off at once what must not live on, though the deployment itself can't go ahead.

        It must need nothing but this target: what stands in a deployment's way may be a bad row
        of another kind, or another part of the node that is down.
        """

    def settle(self, node: Node, desired: Any) -> None:
        """Note in the database what is now proved to be in force."""


@runtime_checkable
class Trying(Target, Protocol):
    """A target whose apply may be a trial."""

    def confirm(self, node: Node, fence: int) -> None:
        """Keep what was tried under ``fence``; Refused without proof that somebody still gets in.

        Asked again after it was kept, it does nothing.
        """

    def give_up(self, node: Node, fence: int) -> None:
        """End the trial at once."""

    def outcome(self, node: Node, fence: int) -> Literal["running", "kept", "gone"]:
        """What became of the trial."""
