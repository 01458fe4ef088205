"""A ruleset that is too long for one netlink message, in pieces, and still at once.

iptables-nft sends a transaction as one message; without privilege over the host (a user
namespace: the sandbox, a container) the socket's buffer can not be raised, and above some 400
tokens the kernel answers EMSGSIZE. Then the chains of the other slot are loaded piece by piece
where no packet goes, one small transaction turns the entry to them, and the old ones are removed
piece by piece. Killed in between, packets meet the whole old or the whole new rules.
"""

from collections.abc import Iterator, Sequence

from firewall.ruleset.build import ENTRY
from firewall.ruleset.diff import HOOK, difference
from firewall.ruleset.parse import Dump
from firewall.ruleset.rules import Family

TOO_LONG = "Message too long"  # strerror(EMSGSIZE) in the C locale
_LINES = 150  # about 70 KB of netlink; the smallest buffer is 208 KB


def active_slot(dump: Dump) -> str:
    """The slot that the entry ends in: "a" unless it is "b"; a trial stands before that."""
    return "b" if dump.chains.get(ENTRY, [])[-1:] == ["-g DDIb-IN"] else "a"


def other_slot(slot: str) -> str:
    """The slot in which a new generation is loaded."""
    return "a" if slot == "b" else "b"


def pieces(dump: Dump, wanted: Family) -> Iterator[str]:
    """Transactions for `iptables-restore --noflush`, in order; `wanted` is of the other slot."""
    yield from loading(wanted)
    entry = [chain for chain in wanted.chains if chain.name == ENTRY]
    turn = [f":{ENTRY} - [0:0]", *(f"-A {ENTRY} {rule}" for c in entry for rule in c.lines)]
    change = difference(dump, wanted)
    if not change.hook_right:
        turn += [f"-D INPUT {HOOK}"] * change.hooks + [f"-I INPUT 1 {HOOK}"]
    yield _transaction(turn)
    kept = {chain.name for chain in wanted.chains}
    yield from removing([name for name in dump.own if name not in kept])


def loading(wanted: Family) -> Iterator[str]:
    """Transactions that load all chains but the entry, where no packet goes yet."""
    fresh = [chain for chain in wanted.chains if chain.name != ENTRY]
    yield from _cut([f":{chain.name} - [0:0]" for chain in fresh])
    yield from _cut([f"-A {chain.name} {rule}" for chain in fresh for rule in chain.lines])


def removing(names: Sequence[str]) -> Iterator[str]:
    """Transactions that remove chains to which no packet goes any more."""
    yield from _cut([f":{name} - [0:0]" for name in names])
    yield from _cut([f"-X {name}" for name in names])


def _cut(lines: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(lines), _LINES):
        yield _transaction(lines[start : start + _LINES])


def _transaction(lines: Sequence[str]) -> str:
    return "\n".join(["*filter", *lines, "COMMIT", ""])
