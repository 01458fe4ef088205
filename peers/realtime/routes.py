"""Numbers and the steps of their routes as facts; ``route_rows`` makes rows of them."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from peers.realtime.blocks import BLOCK_MAX, NUMBER, size
from peers.realtime.text import KEY, between, display_text, matches, refuse, unique

Kind = Literal["ring", "forward", "voicemail", "announce", "reject"]
Cause = Literal["busy", "unavailable", "not_found"]
#: What a caller hears after the last step; ``auto``: busy if a phone was busy, else unavailable.
Final = Literal["auto", "busy", "unavailable", "not_found"]
#: Callers who hide their number: taken as others are, turned away, or sent on past everything
#: that rings to the announcements and the voicemail of the route.
Anonymous = Literal["ring", "reject", "message"]
#: The name that a phone shows: the DDI's label, or that before the caller's own name or number.
Show = Literal["label", "prefix"]

SOUND = re.compile(r"\A(sound_[1-9][0-9]{0,17}-[0-9a-f]{16})?\Z")
MAILBOX = re.compile(r"\A(box_[1-9][0-9]{0,17})?\Z")
#: E.164 digits with the country code.
TELEPHONE = re.compile(r"\A([1-9][0-9]{6,14})?\Z")
#: Rows of one route that the fixed dialplan looks at (deploy/asterisk/extensions.conf).
STEPS_MAX = 250
TARGETS_MAX = 20


@dataclass(frozen=True)
class PersonFacts:
    """Somebody with several phones: a step that names ``key`` rings all ``phones`` (peer keys)."""

    key: str
    phones: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        matches("person.key", KEY, self.key, "use [a-z0-9_]")
        for phone in self.phones:
            matches("person.phones", KEY, phone, "name peers by their keys")
        unique("person.phones", self.phones)


@dataclass(frozen=True)
class StepFacts:
    """One stage of a number's route. ``targets`` are keys of persons and peers; ``timeout`` is in
    seconds.

    ``in_turn``: they ring one after the other, a person on all phones together, each for its own of
    ``seconds``, or for ``timeout``. ``forward_to`` is a telephone number's digits, called
    under the outgoing policy with the key ``policy``; ``mailbox`` is a mailbox's key;
    ``sound`` is what an announcement plays, or a mailbox's greeting. ``schedule`` is the key of the
    hours at which the step is taken; empty: at all hours.
    """

    position: int
    kind: Kind
    targets: tuple[str, ...] = ()
    timeout: int = 30
    cause: Cause = "unavailable"
    schedule: str = ""
    in_turn: bool = False
    seconds: tuple[int, ...] = ()
    forward_to: str = ""
    mailbox: str = ""
    sound: str = ""
    policy: str = ""

    def __post_init__(self) -> None:
        between("step.position", self.position, 0, 32767)
        _one_of("step.kind", self.kind, get_args(Kind))
        _one_of("step.cause", self.cause, get_args(Cause))
        between("step.timeout", self.timeout, 1, 600)
        if self.schedule:
            matches("step.schedule", KEY, self.schedule, "name a schedule by its key")
        for target in self.targets:
            matches("step.targets", KEY, target, "name peers and persons by their keys")
        unique("step.targets", self.targets)
        if self.kind == "ring" and not 0 < len(self.targets) <= TARGETS_MAX:
            raise refuse("step.targets", "are none or too many", f"name 1 to {TARGETS_MAX}")
        if self.seconds and len(self.seconds) != len(self.targets):
            raise refuse("step.seconds", "are not one a peer", "give one a peer, or none")
        for one in self.seconds:
            between("step.seconds", one, 1, 600)
        matches("step.forward_to", TELEPHONE, self.forward_to, "write a number's digits")
        if self.policy:
            matches("step.policy", KEY, self.policy, "name a policy by its key")
        matches("step.mailbox", MAILBOX, self.mailbox, "name a mailbox by its key")
        matches("step.sound", SOUND, self.sound, "name a sound by its file")
        self._whole()

    def _whole(self) -> None:
        needed = {
            "forward": ("forward_to", "policy"),
            "voicemail": ("mailbox",),
            "announce": ("sound",),
        }
        for name in needed.get(self.kind, ()):
            if not getattr(self, name):
                raise refuse(f"step.{name}", "is empty", f"a step of the kind {self.kind} needs it")


@dataclass(frozen=True)
class NumberFacts:
    """A DDI on a trunk: E.164 digits without the plus, with its steps in any order.

    With ``last`` it is a block: all numbers from ``key`` to ``last``, of one length.
    ``listed_only``: callers without an allowing rule are turned away.
    """

    key: str
    trunk_key: str
    display: str = ""
    steps: tuple[StepFacts, ...] = ()
    anonymous: Anonymous = "ring"
    listed_only: bool = False
    last: str = ""
    show: Show = "label"
    final: Final = "auto"

    def __post_init__(self) -> None:
        matches("number.key", NUMBER, self.key, "write 3 to 15 digits, country code first")
        matches("number.trunk_key", KEY, self.trunk_key, "use [a-z0-9_]")
        display_text("number.display", self.display)
        _one_of("number.anonymous", self.anonymous, get_args(Anonymous))
        _one_of("number.show", self.show, get_args(Show))
        _one_of("number.final", self.final, get_args(Final))
        unique("number.steps", (str(step.position) for step in self.steps))
        if sum((step.in_turn and len(step.targets)) or 1 for step in self.steps) > STEPS_MAX:
            raise refuse("number.steps", "are too many", f"at most {STEPS_MAX}")
        if self.last:
            matches("number.last", NUMBER, self.last, "write digits as of the first number")
            between("number.last", size(self.key, self.last), 2, BLOCK_MAX)

    @property
    def id(self) -> str:
        """Its key in the realtime tables."""
        block = f"_{self.last}" if self.last else ""
        return f"{self.trunk_key}-{self.key}{block}"


def _one_of(field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise refuse(field, "is unknown", f"choose of {', '.join(known)}")
