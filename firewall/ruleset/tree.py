"""The token tree: a packet with the site prefix meets the digits one level at a time.

A chain holds at most `LEAF` tokens as one rule each, or else one rule a digit that leads to a
chain of its own. Tokens are random, so 50,000 of them need three levels; a run of digits that all
tokens of a chain share costs no level. nft refuses more than 16 chains in a row (EMLINK), hence
`MAX_LEVELS`: tokens that were not random end in a longer list, slower but right.

A packet may hold a dead token beside a live one (an old contact beside a new User-Agent): a chain
in which no token was found gives the packet back, and the next digits are looked at.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from operator import attrgetter

from firewall.ruleset.matches import ConnMark, Holds
from firewall.ruleset.rules import Chain, Rule, SetMark, To
from firewall.ruleset.types import FLOW_BIT, MARK_MASK, Token

LEAF = 16
MAX_LEVELS = 5  # below TOK; see gates: the longest way to TOK is 8 chains, behind it are 3 more


def token_chains(slot: str, site_prefix: str, tokens: Iterable[Token]) -> tuple[Chain, ...]:
    """The tree's chains, root (`TOK`) first, each ending at `VERDICT`; depth-first order.

    Both families have the same, and a token that comes or goes changes one branch: branches are
    kept, so what is built again costs little. What comes out depends on what goes in alone.
    """
    ordered = tuple(sorted(tokens, key=attrgetter("value")))
    return _branch(slot, site_prefix, "", ordered, 0)


def branches(
    slot: str, site_prefix: str, tokens: Iterable[Token], digits: Sequence[str]
) -> tuple[dict[str, Chain], set[str]]:
    """Only the chains that lie on the way to some `digits`, and the names of those beside it.

    Two trees that differ in the tokens of these digits alone are the same in all chains whose
    names both of them leave aside.
    """
    found: dict[str, Chain] = {}
    aside: set[str] = set()
    todo = [("", tuple(sorted(tokens, key=attrgetter("value"))), 0)]
    while todo:
        known, group, level = todo.pop()
        if known and not any(one.startswith(known) for one in digits):
            aside.add(_name(slot, known))
            continue
        node = _node(slot, site_prefix, known, group, level)
        found[node.name] = node
        todo += [(stem, part, level + 1) for stem, part in _below(group, level)]
    return found, aside


@lru_cache(maxsize=4096)
def _branch(
    slot: str, site: str, known: str, tokens: tuple[Token, ...], level: int
) -> tuple[Chain, ...]:
    chains = [_node(slot, site, known, tokens, level)]
    for stem, group in _below(tokens, level):
        chains += _branch(slot, site, stem, group, level + 1)
    return tuple(chains)


def _node(slot: str, site: str, known: str, tokens: tuple[Token, ...], level: int) -> Chain:
    """The chain of some tokens, without those that it leads to."""
    if _is_leaf(tokens, level):
        rules = [_accept(token) for token in tokens]
    else:
        rules = [
            _accept(group[0])
            if len(group) == 1
            else Rule((Holds(site + stem),), To(_name(slot, stem), back=True))
            for stem, group in _groups(tokens)
        ]
    return Chain(_name(slot, known), (*rules, _end(slot, known)))


def _below(tokens: tuple[Token, ...], level: int) -> list[tuple[str, tuple[Token, ...]]]:
    """The digits and tokens of the chains to which the chain of these tokens leads."""
    if _is_leaf(tokens, level):
        return []
    return [(stem, group) for stem, group in _groups(tokens) if len(group) > 1]


def _is_leaf(tokens: tuple[Token, ...], level: int) -> bool:
    return len(tokens) <= LEAF or level == MAX_LEVELS


def _groups(tokens: tuple[Token, ...]) -> Iterator[tuple[str, tuple[Token, ...]]]:
    """Ordered tokens by the first digit in which not all are the same."""
    # Ordered: what the first and the last share, all between them share.
    shared = len(_common(tokens[0].digits, tokens[-1].digits))
    end = 0
    while end < len(tokens):
        stem = tokens[end].digits[: shared + 1]
        # Whatever begins with the stem stands together; "~" sorts behind every digit.
        start, end = end, bisect_left(tokens, stem + "~", end, key=attrgetter("digits"))
        yield stem, tokens[start:end]


def _accept(token: Token) -> Rule:
    return Rule((Holds(token.value),), SetMark(FLOW_BIT | token.mark, MARK_MASK))


def _end(slot: str, known: str) -> Rule:
    """The root's end decides; below it only a flow that is marked by now need not go on."""
    found = (ConnMark(FLOW_BIT, FLOW_BIT),) if known else ()
    return Rule(found, To(f"DDI{slot}-VERDICT"))


def _name(slot: str, stem: str) -> str:
    """A chain's name (28 characters at most). It shows four digits of a token, never more."""
    if not stem:
        return f"DDI{slot}-TOK"
    if len(stem) > 4:
        return f"DDI{slot}-Tx{hashlib.sha256(stem.encode()).hexdigest()[:16]}"
    return f"DDI{slot}-T{stem}"


def _common(one: str, other: str) -> str:
    for index, (left, right) in enumerate(zip(one, other, strict=True)):
        if left != right:
            return one[:index]
    return one
