"""What a packet costs: a stranger's and a phone's, from 1 to 50,000 tokens, beside the flat list.

The flat list is the usual recipe: one `-m string … -j ACCEPT` a token (with bm, the cheaper of the
two algorithms), then DROP. Both are loaded into namespaces of their own and sent the same packets
in the same run; the cost of the same packets without any rule is subtracted.
"""

import os
import random
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace

from bench.ground import (
    BACKENDS,
    FAMILIES,
    HOST,
    PEER,
    SIP,
    SITE,
    Backend,
    Ground,
    Inet,
    on_ground,
)
from bench.result import Result
from firewall.ruleset.packet import Packet
from firewall.ruleset.types import Intent, Token
from tests.kernel.bench import intent

_ALL = "1,10,100,1000,10000,50000"
SIZES = tuple(map(int, os.environ.get("DDIWEB_BENCH_TOKENS", _ALL).split(",")))
#: Above this a packet costs 40 ms in the flat list. Its IPv6 is measured up to 1,000.
FLAT_MOST = int(os.environ.get("DDIWEB_BENCH_FLAT", "10000"))
_PIECE = 400  # rules in one transaction: without privilege a netlink message holds no more
_RUNS = 5
_FLOOR = 0.05  # microseconds: below this the clock says nothing


def run() -> list[Result]:
    """Measure all sizes, backends and families; returns the results."""
    found: list[Result] = []
    for backend in BACKENDS:
        ours = on_ground(backend, _ours)
        flat = on_ground(backend, _flat)
        found += _results(backend, ours, flat)
    return found


def tokens(count: int) -> tuple[Token, ...]:
    """So many random tokens, the same in each run."""
    dice = random.Random(count)
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    return tuple(
        Token(mark, SITE + "".join(dice.choices(alphabet, k=26))) for mark in range(1, count + 1)
    )


def wanted(count: int) -> Intent:
    """An intent with so many tokens."""
    return intent(site_prefix=SITE, tokens=tokens(count), vendors=("203.0.113.20/32",))


def register(family: Inet, agent: str, port: int) -> Packet:
    """A REGISTER of about 460 bytes from a stranger's address."""
    text = (
        "REGISTER sip:pbx.example SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bKPj1f0a9c6e7b\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:alice@pbx.example>;tag=4b2d9e0f71c3\r\n"
        "To: <sip:alice@pbx.example>\r\nCall-ID: 6d0c8f5a2e914b7d@192.0.2.9\r\n"
        "CSeq: 34102 REGISTER\r\nContact: <sip:alice@192.0.2.9:5060;ob>\r\nExpires: 300\r\n"
        f"User-Agent: {agent}\r\n"
    )
    body = (text + "X: " + "x" * max(0, 428 - len(text)) + "\r\n\r\n").encode()
    return Packet(family, "udp", PEER[family], HOST[family], port, SIP, body)


def _stranger(family: Inet) -> list[Packet]:
    return [register(family, "friendly-scanner", 40_000)]


def _phones(family: Inet, known: Sequence[Token]) -> list[Packet]:
    """Phones spread over the list, each with its own port."""
    chosen = random.Random(1).sample(known, min(20, len(known)))
    return [register(family, one.value, 20_000 + n) for n, one in enumerate(chosen)]


def _followers(family: Inet, known: Sequence[Token]) -> list[Packet]:
    """What the same phones say afterwards, without their token."""
    count = min(20, len(known))
    return [register(family, "Phone/1.0", 20_000 + number) for number in range(count)]


def _segments(family: Inet) -> dict[str, list[Packet]]:
    """TCP to the SIP port: a connect, and data without a token in a flow that nobody opened."""
    made = {}
    for kind, flags in (("connect", ("syn",)), ("segment", ("psh", "ack"))):
        said = register(family, "friendly-scanner", 40_000)
        payload = said.payload if kind == "segment" else b""
        made[kind] = [replace(said, protocol="tcp", flags=flags, payload=payload)]
    return made


Costs = dict[tuple[str, Inet, int], float]  # kind, family, tokens → microseconds


def _base(ground: Ground) -> dict[tuple[str, Inet], float]:
    """The same packets with no rule: dropped by the policy, and taken by a socket."""
    base: dict[tuple[str, Inet], float] = {}
    for family in FAMILIES:
        ground.closed(family)
        base["dropped", family] = ground.cost(_stranger(family), _RUNS)
        ground.open(family)
        base["taken", family] = ground.cost(_phones(family, tokens(20)), _RUNS)
    return base


def _ours(ground: Ground) -> Costs:
    listeners = _listen()
    base = _base(ground)
    costs: Costs = {}
    for size in SIZES:
        print(f"bench: packets, {ground.backend}, {size} tokens …", file=sys.stderr, flush=True)
        ground.apply(wanted(size))
        known = tokens(size)
        for family in FAMILIES:
            dropped, taken = base["dropped", family], base["taken", family]
            phones, later = _phones(family, known), _followers(family, known)
            costs["outsider", family, size] = ground.cost(_stranger(family), _RUNS) - dropped
            costs["phone", family, size] = ground.cost(phones, _RUNS) - taken
            costs["known-flow", family, size] = ground.cost(later, _RUNS) - taken
    costs |= _tcp(ground)
    for one in listeners:
        one.close()
    return costs


def _tcp(ground: Ground) -> Costs:
    """With the gate for SIP over TCP: what the rules take for a stranger's segment."""
    costs: Costs = {}
    size, base = min(SIZES, key=lambda size: abs(size - 1_000)), {}
    for family in FAMILIES:
        ground.closed(family)
        for kind, packets in _segments(family).items():
            base[kind, family] = ground.cost(packets, _RUNS)
    ground.apply(replace(wanted(size), tcp=True))
    for family in FAMILIES:
        for kind, packets in _segments(family).items():
            costs[f"tcp-{kind}", family, size] = ground.cost(packets, _RUNS) - base[kind, family]
    return costs


def _flat(ground: Ground) -> Costs:
    listeners = _listen()
    base = _base(ground)
    costs: Costs = {}
    for size in SIZES:
        known = tokens(size)
        for family in FAMILIES:
            if size > FLAT_MOST or (family == 6 and size > 1_000):
                continue
            _load_flat(ground, family, known)
            dropped, taken = base["dropped", family], base["taken", family]
            costs["outsider", family, size] = ground.cost(_stranger(family), _RUNS) - dropped
            costs["phone", family, size] = ground.cost(_phones(family, known), _RUNS) - taken
    for one in listeners:
        one.close()
    return costs


def _load_flat(ground: Ground, family: Inet, known: Sequence[Token]) -> None:
    ground.closed(family)
    rules = [f'-A INPUT -m string --string "{one.value}" --algo bm -j ACCEPT' for one in known]
    rules.append("-A INPUT -j DROP")
    size = len(rules) if ground.backend == "legacy" else _PIECE
    for start in range(0, len(rules), size):
        ground.restore(family, "\n".join(["*filter", *rules[start : start + size], "COMMIT", ""]))


def _listen() -> list[socket.socket]:
    """Somebody who takes what is let in, so that no error goes back; a full buffer costs little."""
    made = []
    for kind in (socket.AF_INET, socket.AF_INET6):
        one = socket.socket(kind, socket.SOCK_DGRAM)
        if kind == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.bind(("", SIP))
        made.append(one)
    return made


def _results(backend: Backend, ours: Costs, flat: Costs) -> list[Result]:
    results = []
    for (kind, family, size), cost in ours.items():
        value = max(cost, _FLOOR)
        rival = flat.get((kind, family, size))
        against, ratio = f"flat list of {size} tokens", 0.0
        if kind.startswith("tcp-"):
            rival, against = ours["outsider", family, size], "a stranger's datagram"
        if rival is None:
            few = min(SIZES, key=lambda size: abs(size - 10))
            rival, against = ours[kind, family, few], f"the same with {few} tokens"
            if kind == "known-flow" and ("phone", family, size) in flat:
                rival, against = flat["phone", family, size], f"flat list of {size} tokens"
        ratio = max(rival, _FLOOR) / value
        goal = ""
        if kind == "outsider" and size == 1_000:
            goal = "at least 100 times cheaper"
        if kind == "outsider" and size == 50_000:
            goal = "no dearer than twice the cost with 10"
        name = f"{kind}-packet-{backend}-v{family}-{size}"
        results.append(Result(name, value, "us", against, ratio, goal, _RUNS))
    return results
