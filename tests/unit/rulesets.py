"""Rulesets that unit tests render: a plain intent, any intent, many tokens."""

from typing import Literal

from hypothesis import strategies as st

from firewall.ruleset.types import Intent, Management, Token

SITE = "ddi-abcdefgh-"


ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


MANAGEMENT = Management(("198.51.100.7/32", "2001:db8:f::/64"), (22,))


PLAIN = Intent(
    generation=1,
    sip_port=5060,
    rtp_first=10_000,
    rtp_last=20_000,
    management=(),
    management_ports=(),
    vendors=("203.0.113.20/32",),
    bans=(),
    site_prefix=SITE,
    tokens=(),
    revoked=(),
)


Version = Literal[4, 6]


def _spell(number: int, alphabet: str) -> str:
    return "".join(
        alphabet[number // len(alphabet) ** place % len(alphabet)] for place in range(26)
    )


_v4 = st.builds(
    lambda base, bits: f"{'.'.join(str((base >> s) & 255) for s in (24, 16, 8, 0))}/{bits}",
    st.integers(1 << 24, (224 << 24) - 1),
    st.just(32),
)


_v6 = st.integers(1, 0xFFFF).map(lambda n: f"2001:db8:{n:x}::/48")


_nets = st.lists(st.one_of(_v4, _v6), max_size=6, unique=True)


# Skewed on purpose: few different digits make long shared beginnings.
_digits = st.one_of(
    st.integers(0, (1 << 130) - 1).map(lambda n: _spell(n, ALPHABET)),
    st.integers(0, (1 << 26) - 1).map(lambda n: _spell(n, "ab")),
)


_mark_lists = st.integers(1, (1 << 20) - 1).map(
    lambda start: [(start + n * 10_007) % ((1 << 20) - 1) + 1 for n in range(100)]
)


_ports = st.lists(st.integers(1, 1023), max_size=14, unique=True)


@st.composite
def intents(draw: st.DrawFn) -> Intent:
    """Any intent that its type accepts."""
    digits = draw(st.lists(_digits, max_size=60, unique=True))
    marks = draw(_mark_lists)
    site = f"ddi-{_spell(draw(st.integers(0, (1 << 40) - 1)), ALPHABET)[:8]}-"
    return Intent(
        generation=draw(st.integers(0, 1 << 40)),
        sip_port=draw(st.integers(1024, 9_999)),
        rtp_first=10_000,
        rtp_last=draw(st.integers(10_000, 65_535)),
        management=tuple(draw(_nets)),
        management_ports=tuple(draw(_ports)),
        vendors=tuple(draw(_nets)),
        bans=tuple(draw(_nets)),
        site_prefix=site,
        tokens=tuple(Token(m, site + d) for m, d in zip(marks, digits, strict=False)),
        revoked=tuple(marks[60 : 60 + draw(st.integers(0, 40))]),
    )


def many_tokens(count: int) -> tuple[Token, ...]:
    """Even, but different in each digit: a Weyl sequence in base 32."""
    made = []
    for mark in range(1, count + 1):
        number = mark * 0x9E3779B97F4A7C15F39CC0605CEDC8341 % (1 << 130)
        digits = "".join(ALPHABET[(number >> (5 * place)) & 31] for place in range(25, -1, -1))
        made.append(Token(mark, SITE + digits))
    return tuple(made)


def as_dump(text: str) -> str:
    """What iptables-save would print after a restore of `text` into an empty kernel."""
    return text.replace("-I INPUT 1 -j DDI-IN", "-A INPUT -j DDI-IN")
