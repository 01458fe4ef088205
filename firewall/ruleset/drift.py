"""What somebody else did to our rules, told from the lines of the plan that would undo it."""

import re
from collections import Counter
from collections.abc import Iterable

from firewall.ruleset.build import ENTRY

_LINE = re.compile(r"\Av([46]) ([+-]) -([AI]) (\S+) ?(.*)\Z", re.DOTALL)
_MEMBER = re.compile(r"\Aset (add|del) -exist ddi-([a-z]+)[46]\S* (\S+)\Z")
_MADE = re.compile(r"\Aset create -exist (\S+) ")


def words(lines: Iterable[str]) -> list[str]:
    """Sentences for a person, the gravest first. A line that they leave out is in the diff."""
    lines = list(lines)
    found = [text for version in "46" for text in _rules(version, lines)]
    return found + list(_sets(lines))


def _rules(version: str, lines: list[str]) -> Iterable[str]:
    parts = [m for line in lines if (m := _LINE.match(line)) and m[1] == version]
    where = f"IPv{version}"
    hooks = Counter(m[2] for m in parts if m[4] == "INPUT" and m[5].endswith(f"-j {ENTRY}"))
    own = [m for m in parts if m[4] != "INPUT"]
    missing = Counter(m[4] for m in own if m[2] == "+")
    foreign = Counter(m[4] for m in own if m[2] == "-")
    hook = any(m[3] == "I" for m in parts)
    if hook and ENTRY in missing:
        yield (
            f"{where}: another program loaded a whole filter table (iptables-restore without "
            "--noflush, or a flush): our hook and our chains were gone, nothing was filtered."
        )
        return
    if hook and not hooks["-"]:
        yield f"{where}: somebody removed the hook: INPUT did not call our chains any more."
    elif hook:
        times = hooks["-"]
        yield (
            f"{where}: our hook was not the first rule of INPUT: others decided before it."
            if times == 1
            else f"{where}: INPUT called our chains {times} times."
        )
    for chain in sorted(missing.keys() | foreign.keys()):
        acts = [f"removed {_count(missing[chain])}"] if missing[chain] else []
        acts += [f"added {_count(foreign[chain])}"] if foreign[chain] else []
        yield f"{where}: somebody {' and '.join(acts)} in {chain}."
    for line in lines:
        if line.startswith(f"v{version} ~ "):
            yield f"{where}: somebody changed the order in {line[5:].partition(':')[0]}."


def _sets(lines: list[str]) -> Iterable[str]:
    for line in lines:
        member, made = _MEMBER.match(line), _MADE.match(line)
        if made:
            yield f"The list {made[1]} was gone."
        elif member and member[1] == "add":
            yield f"Somebody removed {member[3]} from the list “{member[2]}”."
        elif member:
            yield f"Somebody added {member[3]} to the list “{member[2]}”."


def _count(number: int) -> str:
    return "a rule" if number == 1 else f"{number} rules"


def seen(line: str) -> str:
    """A line of the plan from the other side: what the plan adds, somebody had removed."""
    rule = _LINE.match(line)
    if rule:
        sign = "-" if rule[2] == "+" else "+"
        return f"v{rule[1]} {sign} -A {' '.join(part for part in rule.groups()[3:] if part)}"
    for ours, theirs in (("set add -exist ", "set del "), ("set del -exist ", "set add "),
                         ("set create -exist ", "set destroy ")):  # fmt: skip
        if line.startswith(ours):
            return theirs + line.removeprefix(ours)
    return line
