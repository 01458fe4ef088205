"""The token tree: a packet with the site prefix meets the digits one level at a time.

A chain holds at most `LEAF` tokens as one rule each, or else one rule a digit that leads to a
chain of its own. Tokens are random, so 50,000 of them need three levels; a run of digits that all
tokens of a chain share costs no level. nft refuses more than 16 chains in a row (EMLINK), hence
`MAX_LEVELS`: tokens that were not random end in a longer list, slower but right.

A packet may hold a dead token beside a live one (an old contact beside a new User-Agent): a chain
in which no token was found gives the packet back, and the next digits are looked at.
"""

import hashlib
from collections import deque
from functools import lru_cache
from operator import attrgetter

from firewall.ruleset.marks import FLOW_BIT, MARK_MASK
from firewall.ruleset.matches import ConnMark, Holds
from firewall.ruleset.rules import Chain, Rule, SetMark, To
from firewall.ruleset.types import Token

LEAF = 16
_roots: deque[tuple[str, str, tuple[Token, ...], tuple[Chain, ...]]] = deque(maxlen=4)
MAX_LEVELS = 5  # below TOK; see gates: the longest way to TOK is 8 chains, behind it are 3 more


def token_chains(slot: str, site_prefix: str, tokens: tuple[Token, ...]) -> tuple[Chain, ...]:
    """The tree's chains, root (`TOK`) first, each ending at `VERDICT`; depth-first order.

    Both families have the same, and a token that comes or goes changes one branch: branches are
    kept, so what is built again costs little. What comes out depends on what goes in alone.
    """
    for *names, known, made in _roots:
        # By identity: the other family asks with the very same tuple, and to compare or hash
        # 10,000 tokens takes milliseconds that a revocation would wait for.
        if known is tokens and names == [slot, site_prefix]:
            return made
    ordered = tuple(sorted(tokens, key=attrgetter("value")))
    made = _split(slot, site_prefix, "", ordered, 0)
    _roots.append((slot, site_prefix, tokens, made))
    return made


@lru_cache(maxsize=4096)
def _branch(
    slot: str, site: str, known: str, tokens: tuple[Token, ...], level: int
) -> tuple[Chain, ...]:
    return _split(slot, site, known, tokens, level)


def _split(
    slot: str, site: str, known: str, tokens: tuple[Token, ...], level: int
) -> tuple[Chain, ...]:
    if len(tokens) <= LEAF or level == MAX_LEVELS:
        leaves = map(_accept, tokens)
        return (Chain(_name(slot, known), (*leaves, _end(slot, known))),)
    rules: list[Rule] = []
    below: list[Chain] = []
    # Ordered: what the first and the last share, all between them share.
    shared = len(_common(tokens[0].digits, tokens[-1].digits))
    groups: dict[str, list[Token]] = {}
    for token in tokens:
        groups.setdefault(token.digits[: shared + 1], []).append(token)
    for stem, group in groups.items():
        if len(group) == 1:
            rules.append(_accept(group[0]))
            continue
        rules.append(Rule((Holds(site + stem),), To(_name(slot, stem), back=True)))
        below += _branch(slot, site, stem, tuple(group), level + 1)
    return (Chain(_name(slot, known), (*rules, _end(slot, known))), *below)


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
