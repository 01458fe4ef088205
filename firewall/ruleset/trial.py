"""Two generations of rules side by side, and a set whose timeout chooses between them. Pure.

During a trial the entry reads::

    ! -i lo, a new TCP connection to a management port, trial set  -> mark the connection
    ... answered and acknowledged, with that mark                  -> source into the proof set
    trial set matches                                              -> the generation on trial
                                                                   -> the generation before

The set holds both halves of the address space with a timeout. When it runs out, the kernel itself
matches nothing any more: no process is needed to bring the rules before back (firewall.md, 7).
The mark's bits 24-27 are used by no rule else; the serial tells one trial's connections from
those of the last.
"""

import re
from collections.abc import Sequence
from typing import Literal

from firewall.ruleset.build import ENTRY
from firewall.ruleset.diff import HOOK, Difference, difference
from firewall.ruleset.matches import ConnMark, InSet, Known, Loopback, Match, TcpPorts
from firewall.ruleset.parse import Dump
from firewall.ruleset.rules import Add, Chain, Family, Rule, SetMark, To
from firewall.ruleset.segments import Fresh, Syn

TRIAL_BIT, TRIAL_MASK = 0x08000000, 0x0F000000
SERIALS = 8
_SHIFT = 24
_HALVES = {4: ("0.0.0.0/1", "128.0.0.0/1"), 6: ("::/1", "8000::/1")}
_CHOICE = re.compile(r"\A-m set --match-set ddi-trial[46] src -g DDI([ab])-IN\Z")
_SLOT = re.compile(r"\ADDI([ab])-")

Version = Literal[4, 6]


def trial_set(version: int) -> str:
    """The set that chooses the generation on trial."""
    return f"ddi-trial{version}"


def proof_set(version: int) -> str:
    """The addresses that opened a connection to a management port during the trial."""
    return f"ddi-proof{version}"


def mark_of(serial: int) -> int:
    """The connection mark of a trial."""
    return TRIAL_BIT | serial % SERIALS << _SHIFT


def serial_of(mark: int) -> int:
    """The serial within a connection mark."""
    return mark >> _SHIFT & (SERIALS - 1)


def on_trial(dump: Dump) -> str | None:
    """The slot that a trial's entry leads to, whether or not its time is up; None: no trial."""
    for rule in dump.chains.get(ENTRY, []):
        found = _CHOICE.match(rule)
        if found:
            return found[1]
    return None


def unfounded(dump: Dump) -> bool:
    """Whether a trial's entry has no rules of ours to fall back to."""
    rules = dump.chains.get(ENTRY, [])
    return bool(rules) and _CHOICE.match(rules[-1]) is not None


def only(dump: Dump, slot: str) -> Dump:
    """The dump as if this slot's generation stood alone."""
    chains, packets = {}, {}
    for name, rules in dump.chains.items():
        found = _SLOT.match(name)
        if found is None or found[1] == slot:
            chains[name], packets[name] = rules, dump.packets.get(name, [])
    chains[ENTRY], packets[ENTRY] = [f"-g DDI{slot}-IN"], [0]
    return Dump(chains, packets, dump.policies)


def entry(version: Version, slot: str, ports: Sequence[int], serial: int, base: bool) -> Chain:
    """The entry during a trial of `slot`; without `base` the rest falls through to the host's own.

    The two rules in front see only what the generation on trial let in: the SYN of a connection
    that it dropped is never answered, so nothing of it is ever acknowledged.
    """
    chooses = InSet(trial_set(version))
    mark = mark_of(serial)
    wire: tuple[Match, ...] = (Loopback(negate=True), TcpPorts(tuple(ports)))
    rules = [
        Rule((*wire, Syn(), Fresh(), chooses), SetMark(mark, TRIAL_MASK)),
        Rule(
            (*wire, ConnMark(mark, TRIAL_MASK), Known(original=True), chooses),
            Add(proof_set(version)),
        ),
        Rule((chooses,), To(f"DDI{slot}-IN")),
    ]
    if base:
        rules.append(Rule((), To(f"DDI{'a' if slot == 'b' else 'b'}-IN")))
    return Chain(ENTRY, tuple(rules))


def dormant(dump: Dump, wanted: Family, turn: Chain) -> Difference:
    """Load `wanted` beside what is in force, behind the entry `turn`; nothing else is touched."""
    change = difference(only(dump, "-"), wanted)
    fresh = tuple(one for one in change.chains if one[0] != ENTRY)
    turned = (ENTRY, tuple(dump.chains.get(ENTRY, [])), turn.lines)
    return Difference(
        wanted.version, (*fresh, turned), (), change.hooks, change.hook_right, hook_wanted=True
    )


def within(dump: Dump, slot: str, wanted: Family) -> Difference:
    """What differs in one of two generations; entry and hook are not its business."""
    change = difference(only(dump, slot), wanted)
    return Difference(wanted.version, change.chains, change.stale, 0, hook_right=True)


def hooked(dump: Dump) -> bool:
    """Whether the host's INPUT calls us once and first."""
    rules = dump.chains.get("INPUT", [])
    return rules[:1] == [HOOK] and rules.count(HOOK) == 1


def prepare(window: int) -> list[str]:
    """`ipset restore` lines: the sets of a trial, empty."""
    lines = []
    for version, family in ((4, "inet"), (6, "inet6")):
        for name, kind in ((trial_set(version), "hash:net"), (proof_set(version), "hash:ip")):
            lines.append(f"create -exist {name} {kind} family {family} timeout {window:d}")
            lines.append(f"flush {name}")
    return lines


def begin(window: int) -> list[str]:
    """`ipset restore` lines that turn both families to the trial, for so many seconds."""
    return [
        f"add {trial_set(version)} {half} timeout {window:d}"
        for version, halves in _HALVES.items()
        for half in halves
    ]


def end() -> list[str]:
    """`ipset restore` lines that turn both families back at once."""
    return [f"flush {trial_set(version)}" for version in _HALVES]
