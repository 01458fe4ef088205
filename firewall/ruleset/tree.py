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
from collections import deque
from operator import attrgetter

from firewall.ruleset.marks import FLOW_BIT, MARK_MASK
from firewall.ruleset.matches import ConnMark, Holds
from firewall.ruleset.rules import Chain, Rule, SetMark, To
from firewall.ruleset.types import Token

LEAF = 16
_KEPT = 32_768  # branches: both slots of 50,000 tokens
_branches: dict[tuple[str, str, str, int], tuple[tuple[Token, ...], tuple[Chain, ...]]] = {}
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


def _branch(
    slot: str, site: str, known: str, tokens: tuple[Token, ...], level: int
) -> tuple[Chain, ...]:
    """As it was made last, if it still holds the same tokens.

    They are compared, which costs nothing for the same objects; to hash 10,000 takes milliseconds.
    """
    name = slot, site, known, level
    held, made = _branches.get(name, ((), ()))
    if held != tokens:
        made = _split(slot, site, known, tokens, level)
        _branches[name] = tokens, made
        if len(_branches) > _KEPT:
            del _branches[next(iter(_branches))]
    return made


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
    start = 0
    while start < len(tokens):
        stem = tokens[start].digits[: shared + 1]
        # Above all digits (RFC 4648's base32 in lower case): behind the last of this stem.
        end = bisect_left(tokens, f"{stem}~", start, key=attrgetter("digits"))
        if end - start == 1:
            rules.append(_accept(tokens[start]))
        else:
            rules.append(Rule((Holds(site + stem),), To(_name(slot, stem), back=True)))
            below += _branch(slot, site, stem, tokens[start:end], level + 1)
        start = end
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
