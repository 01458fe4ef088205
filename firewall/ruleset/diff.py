"""What has to change in the kernel, chain by chain, and the one transaction that does it.

A chain whose rules are already right is not named, so it keeps its counters and costs nothing:
one token among 10,000 rewrites one small chain. Foreign chains are never named at all.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from firewall.ruleset.build import ENTRY
from firewall.ruleset.parse import Dump, SetDump, parse_rule
from firewall.ruleset.rules import AddressSet, Block, Family
from firewall.ruleset.values import redact

HOOK = f"-j {ENTRY}"


@dataclass(frozen=True)
class Difference:
    """The way from a dump to the wanted rules of one family. Falsy when there is nothing to do."""

    version: int
    chains: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]  # name, old rules, new rules
    stale: tuple[tuple[str, tuple[str, ...]], ...]  # own chains that are wanted no more
    hooks: int  # how often INPUT calls us now
    hook_right: bool  # exactly once and first
    hook_wanted: bool = True

    def __bool__(self) -> bool:
        return bool(self.chains or self.stale or not self.hook_right)

    @property
    def names(self) -> list[str]:
        """Chains that are written anew or taken away."""
        return [one[0] for one in self.chains] + [one[0] for one in self.stale]

    def text(self) -> str:
        """The transaction for `iptables-restore --noflush`; empty if there is nothing to do.

        A `:CHAIN` line empties an own chain or creates it, within the transaction. If somebody
        moved the hook since the dump, `-D` fails and with it the whole (firewall.md, section 6).
        """
        if not self:
            return ""
        lines = ["*filter"]
        lines += [f":{name} - [0:0]" for name, _, _ in self.chains]
        lines += [f":{name} - [0:0]" for name, _ in self.stale]
        for name, _, rules in self.chains:
            lines += [f"-A {name} {rule}" for rule in rules]
        if not self.hook_right:
            lines += [f"-D INPUT {HOOK}"] * self.hooks
            if self.hook_wanted:
                lines.append(f"-I INPUT 1 {HOOK}")
        lines += [f"-X {name}" for name, _ in self.stale]
        return "\n".join([*lines, "COMMIT", ""])

    def lines(self) -> list[str]:
        """The difference for a person, tokens redacted: `v4 + -A CHAIN …` and `v4 - …`."""
        shown: list[str] = []
        if not self.hook_right:
            shown += [f"- -A INPUT {HOOK}"] * self.hooks
            shown += [f"+ -I INPUT 1 {HOOK}"] * self.hook_wanted
        for name, old, new in self.chains:
            kept = set(old) & set(new)
            shown += [f"- -A {name} {rule}" for rule in old if rule not in kept]
            shown += [f"+ -A {name} {rule}" for rule in new if rule not in kept]
            if set(old) == set(new):
                shown.append(f"~ {name}: order or repetition of rules")
        for name, old in self.stale:
            shown += [f"- -A {name} {rule}" for rule in old] or [f"- :{name}"]
        return [redact(f"v{self.version} {line}") for line in shown]


def difference(dump: Dump, wanted: Family) -> Difference:
    """Compare what the kernel holds with what it should hold."""
    own = dump.own
    changed = []
    for chain in wanted.chains:
        new = chain.lines
        old = own.pop(chain.name, None)
        if old is None or not same(old, new):
            changed.append((chain.name, tuple(old or ()), new))
    stale = tuple((name, tuple(rules)) for name, rules in own.items())
    hooks, right = _hooks(dump)
    return Difference(wanted.version, tuple(changed), stale, hooks, right)


def change(before: Family, after: Family) -> Difference:
    """The way from one rendering to another, where the kernel is known to hold the first.

    A chain that both share costs one comparison of identity: the tree keeps its branches.
    """
    old, new = ({chain.name: chain for chain in one.chains} for one in (before, after))
    changed = tuple(
        (name, old[name].lines if name in old else (), chain.lines)
        for name, chain in new.items()
        if name not in old or (old[name] is not chain and old[name].lines != chain.lines)
    )
    stale = tuple((name, old[name].lines) for name in old if name not in new)
    return Difference(after.version, changed, stale, hooks=1, hook_right=True)


def removal(dump: Dump, version: int) -> Difference:
    """Take all of ours out: the way back when the very first apply fails."""
    stale = tuple((name, tuple(rules)) for name, rules in dump.own.items())
    hooks, _ = _hooks(dump)
    return Difference(version, (), stale, hooks, hooks == 0, hook_wanted=False)


def set_commands(wanted: AddressSet, have: SetDump | None) -> list[str]:
    """Lines for `ipset restore` that bring one set about; none if it is as wanted."""
    if wanted.block is not None:
        return _fill(wanted, wanted.block, have)
    lines = []
    if have is None:
        # Whose packets came is asked of lists that people keep, not of what the kernel remembers.
        lines.append(_create(wanted, " counters" if wanted.type == "hash:net" else ""))
    if wanted.members is not None:
        members = {_shown(member) for member in wanted.members}
        held = have.members if have else frozenset()
        lines += [f"del -exist {wanted.name} {member}" for member in sorted(held - members)]
        lines += [f"add -exist {wanted.name} {member}" for member in sorted(members - held)]
    return lines


def brief(lines: Iterable[str]) -> list[str]:
    """Lines of `set_commands` for a person: the networks of countries as their count."""
    shown, counts = [], Counter[str]()
    for line in lines:
        words = line.split()
        if words[0] == "add" and words[2].startswith("ddi-land"):
            counts[words[2]] += 1
        else:
            shown.append(line)
    return shown + [f"add {count} networks to {name}" for name, count in counts.items()]


def _fill(wanted: AddressSet, block: Block, have: SetDump | None) -> list[str]:
    """A set of very many networks is right if it has as many as it should: its name is its mark."""
    if have is not None and have.count == block.count:
        return []
    first = _create(wanted, "") if have is None else f"flush {wanted.name}"
    return [first, *(f"add -exist {wanted.name} {member}" for member in block.members())]


def _create(wanted: AddressSet, counted: str) -> str:
    family = "inet" if wanted.version == 4 else "inet6"
    timeout = "" if wanted.timeout is None else f" timeout {wanted.timeout}"
    most = max(65_536, wanted.block.count if wanted.block else 0)
    kind = f"{wanted.type} family {family}{timeout} maxelem {most}{counted}"
    return f"create -exist {wanted.name} {kind}"


def _shown(member: str) -> str:
    """A single address as ipset prints it: without its full prefix length."""
    host = "/128" if ":" in member else "/32"
    return member.removesuffix(host)


def _hooks(dump: Dump) -> tuple[int, bool]:
    rules = dump.chains.get("INPUT", [])
    count = rules.count(HOOK)
    return count, count == 1 and rules[0] == HOOK


def same(old: list[str], new: tuple[str, ...]) -> bool:
    """Whether the rules of a chain mean the same, in whatever spelling they were dumped."""
    if len(old) != len(new):
        return False
    return all(have == want or _means(have, want) for have, want in zip(old, new, strict=True))


def _means(have: str, want: str) -> bool:
    """Whether another spelling of the same rule was dumped."""
    try:
        return parse_rule(have) == parse_rule(want)
    except ValueError:
        return False
