"""What a few tokens more or less change in the rules, without rendering the whole tree.

Only the chains on the way to these tokens are rendered, before and after. The result is the same
as that of comparing two whole renderings (a test compares them), and costs a hundredth.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

from firewall.ruleset.build import build
from firewall.ruleset.diff import Difference
from firewall.ruleset.rules import Chain
from firewall.ruleset.tree import branches
from firewall.ruleset.types import Intent, Management, Token

Version = Literal[4, 6]
Chains = dict[str, Chain]
Tree = tuple[Chains, set[str]]


def graft(
    intents: tuple[Intent, Intent],
    changed: Sequence[Token],
    management: Management,
    slots: Mapping[Version, str],
) -> list[Difference] | None:
    """The way from the rules of the first intent to those of the second, in each family.

    They may differ in `changed` tokens and in the revoked marks alone. `slots` names the
    generation of chains that each family is in. None: the tree takes another shape, render the
    whole.
    """
    trees = {slot: [_tree(one, changed, slot) for one in intents] for slot in set(slots.values())}
    found = []
    for version, slot in slots.items():
        fixed = [_fixed(intent, management, version, slot) for intent in intents]
        one = _compare(version, fixed, trees[slot])
        if one is None:
            return None
        found.append(one)
    return found


def _compare(version: Version, fixed: list[Chains], trees: list[Tree]) -> Difference | None:
    (before, left), (after, kept) = trees
    if not kept <= left:
        return None
    old, new = fixed[0] | before, fixed[1] | after
    chains = tuple(
        (name, old[name].lines if name in old else (), chain.lines)
        for name, chain in new.items()
        if name not in old or old[name].lines != chain.lines
    )
    gone = (old.keys() | left) - (new.keys() | kept)
    if not gone <= old.keys():
        return None
    stale = tuple((name, old[name].lines) for name in sorted(gone))
    return Difference(version, chains, stale, hooks=1, hook_right=True)


def _tree(intent: Intent, changed: Sequence[Token], slot: str) -> Tree:
    digits = [token.digits for token in changed]
    return branches(slot, intent.site_prefix, intent.tokens, digits)


def _fixed(intent: Intent, management: Management, version: Version, slot: str) -> Chains:
    """All chains, those of the tree as if there were no token."""
    bare = build(dataclasses.replace(intent, tokens=()), management, version, slot)
    return {chain.name: chain for chain in bare.chains}
