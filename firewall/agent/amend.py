"""A few tokens more or less, in milliseconds however many there are: the quick way.

It is only taken from known ground: all rules were read and found right, and the kernel says that
nobody has changed them since. Then the chains of these tokens are loaded in one transaction a
family, and read back. Wherever anything is not as expected the answer is "no", and
the engine goes the long way, which reads and compares everything.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ddiweb.deploy.errors import Refused, Retryable
from firewall.agent.config import Config
from firewall.agent.imprint import Imprint, imprint, legacy_entries, only_ours
from firewall.agent.kernel import Kernel
from firewall.agent.netfilter import VERSIONS, Netfilter, Version
from firewall.ruleset.diff import Difference, change, same
from firewall.ruleset.parse import Dump
from firewall.ruleset.types import Intent, Token

MAX_CHAINS = 24  # of one family: more are read back sooner by one dump


@dataclass(frozen=True)
class Ground:
    """At this imprint the kernel held exactly the rules of `intent`, in these slots."""

    intent: Intent
    slots: Mapping[Version, str]
    imprint: Imprint


class Amender:
    """Goes from one intent to another that differs in a few tokens and revoked marks."""

    def __init__(self, config: Config, netfilter: Netfilter, kernel: Kernel) -> None:
        self._config = config
        self._netfilter = netfilter
        self._kernel = kernel
        self.ground: Ground | None = None

    def amend(self, good: Intent, wanted: Intent, changed: Sequence[Token]) -> bool:
        """Whether `wanted` is in force now, read back; False: look at everything."""
        ground, self.ground = self.ground, None
        if ground is None or ground.intent is not good:
            return False
        if not ground.imprint or imprint(self._config.backend) != ground.imprint:
            return False
        todo = [one for one in self._changes(good, wanted, ground) if one]
        if any(len(one.chains) > MAX_CHAINS for one in todo):
            return False
        try:
            # A family waits for its tools and its kernel, not for the other family's.
            with ThreadPoolExecutor(len(VERSIONS)) as pool:
                counted = list(pool.map(self._counted, todo))
                faults = self._netfilter.restore_both({_version(o): o.text() for o in todo})
                for one, dump in zip(todo, counted, strict=True):
                    if _version(one) not in faults:
                        self._kernel.ledger.replaced(_version(one), dump, one.names)
                right = not faults and all(
                    pool.map(lambda one: self._right(one, changed, good), todo)
                )
        except (Refused, Retryable, OSError):
            return False
        after = imprint(self._config.backend)
        if not right or not only_ours(ground.imprint, after, len(todo)):
            return False
        self.ground = Ground(wanted, ground.slots, after)
        return True

    def _changes(self, good: Intent, wanted: Intent, ground: Ground) -> Iterator[Difference]:
        for version, slot in ground.slots.items():
            yield change(*(self._kernel.family(one, version, slot) for one in (good, wanted)))

    def _counted(self, one: Difference) -> Dump:
        """What the chains counted that are written anew; on legacy it costs too much."""
        if self._config.backend != "nft":
            return Dump()
        there = [name for name, old, _ in one.chains if old] + [name for name, _ in one.stale]
        return self._netfilter.read_chains(_version(one), there)

    def _right(self, one: Difference, changed: Sequence[Token], good: Intent) -> bool:
        version = _version(one)
        if self._config.backend == "nft":
            have = self._netfilter.read_chains(version, [name for name, _, _ in one.chains])
            return all(same(have.chains.get(name, []), new) for name, _, new in one.chains)
        # One replaced table holds all of a transaction or nothing of it, and asking for a chain
        # by name would read all of it as text: the tokens are looked for in the kernel's own form.
        table = legacy_entries(version)
        before = {token.mark for token in good.tokens}
        return all((token.value.encode() in table) != (token.mark in before) for token in changed)


def _version(one: Difference) -> Version:
    return 4 if one.version == 4 else 6
