"""Typed rules: what a chain holds before it is text, and what text becomes when it is read.

Only the matches and targets that the token firewall uses exist, so nothing else can be rendered.
`str()` of a value is its canonical text, exactly as iptables-save 1.8.9 prints it on both
backends: a dump is compared with what was wanted line by line.

Each text that a rule carries is checked once more here, where it becomes part of a line: a value
that was forced past the intent's types ends here, not in the kernel.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from firewall.ruleset.matches import NETWORK, SET, Match, only

_CHAIN = re.compile(r"\ADDI(?:-IN|[ab]-[A-Za-z0-9]{1,22})\Z")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of the packet's way; RETURN: of its way through this chain."""

    word: Literal["ACCEPT", "DROP", "RETURN"]

    def __str__(self) -> str:
        return f"-j {self.word}"


@dataclass(frozen=True, slots=True)
class To:
    """Another chain; with `back` it returns here when nothing there decided."""

    chain: str
    back: bool = False

    def __post_init__(self) -> None:
        only(_CHAIN, self.chain, "chain")

    def __str__(self) -> str:
        return f"-{'j' if self.back else 'g'} {self.chain}"


@dataclass(frozen=True, slots=True)
class SetMark:
    """Write the connection mark under a mask, and go on."""

    value: int
    mask: int

    def __str__(self) -> str:
        return f"-j CONNMARK --set-xmark {self.value:#x}/{self.mask:#x}"


@dataclass(frozen=True, slots=True)
class Remember:
    """Put the source into one set (renewing its timeout), take it out of another, and go on."""

    add: str
    remove: str

    def __post_init__(self) -> None:
        only(SET, self.add, "set")
        only(SET, self.remove, "set")

    def __str__(self) -> str:
        return f"-j SET --add-set {self.add} src --exist --del-set {self.remove} src"


@dataclass(frozen=True, slots=True)
class Add:
    """Put the source into a set (renewing its timeout), and go on."""

    name: str

    def __post_init__(self) -> None:
        only(SET, self.name, "set")

    def __str__(self) -> str:
        return f"-j SET --add-set {self.name} src --exist"


Action = Verdict | To | SetMark | Remember | Add


@dataclass(frozen=True, slots=True)
class Rule:
    """All matches must hold; then the action. In iptables-save's order: -s, -i, -p, then -m."""

    matches: tuple[Match, ...]
    action: Action

    def __str__(self) -> str:
        return " ".join([*map(str, self.matches), str(self.action)])


@dataclass(frozen=True)
class Chain:
    """A named list of rules."""

    name: str
    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        only(_CHAIN, self.name, "chain")

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The rules as text, without `-A NAME`; rendered once."""
        return tuple(map(str, self.rules))


@dataclass(frozen=True, slots=True)
class Block:
    """Very many networks that nobody lists at every look: their count, and where to get them.

    `mark` stands for their content; a set that carries it in its name and has `count` members is
    taken for right.
    """

    mark: str
    count: int
    members: Callable[[], Iterable[str]]


@dataclass(frozen=True, slots=True)
class AddressSet:
    """An ipset. `members` None: filled by the kernel or the agent, or else by `block`."""

    name: str
    type: Literal["hash:net", "hash:ip"]
    version: Literal[4, 6]
    timeout: int | None  # seconds
    members: tuple[str, ...] | None
    block: Block | None = None

    def __post_init__(self) -> None:
        only(SET, self.name, "set")
        for member in self.members or ():
            only(NETWORK, member, "network")


@dataclass(frozen=True, slots=True)
class Family:
    """One address family's whole ruleset: own chains in order, and the sets that they use."""

    version: Literal[4, 6]
    chains: tuple[Chain, ...]
    sets: tuple[AddressSet, ...]
