"""Forged requests at the agent's socket: no rule changes, and the agent stays what it was.

`python -m tests.kernel.forging --backend nft --count 100000` runs the whole proof.
"""

import argparse
import contextlib
import ctypes
import json
import os
import random
import socket
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ddiweb.deploy.errors import Refused
from firewall.ruleset.types import Intent
from lab.world import World
from tests.kernel.bench import Bench, intent, token

_HEAD = struct.Struct(">I")
_LISTS = ("management", "management_ports", "vendors", "bans", "tokens", "revoked")
_BAD: list[Any] = [
    None, True, -1, 0, 1.5, 1 << 70, "", "x", "\n", "\x00", "0.0.0.0/0", "::/0", "010.1.1.1/32",
    "203.0.113.1/24", "-j ACCEPT", "a\n-A INPUT -j ACCEPT", [], {}, [[]], [None], ["x"] * 50,
    "\u202e", "\ud800", "ddi-kmtest23-" + "a" * 27, {"mark": 1, "value": "x"}, 1e308, "🙂" * 100,
]  # fmt: skip
_VERBS = ("apply", "plan", "status", "cut", "rollback", "probe", "revoke", "confirm", "trial")


@dataclass
class Tally:
    """What the agent said to the forgeries, and what it cost it."""

    answers: Counter[str] = field(default_factory=Counter)
    accepted: list[str] = field(default_factory=list)  # forgeries answered with ok
    memory_before: int = 0  # kB of resident memory
    memory_after: int = 0
    files_before: int = 0  # open descriptors
    files_after: int = 0


class Forger:
    """Makes one forged message after the other, of all kinds, from one seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        raw = intent(tokens=(token(9),)).to_json()
        self._raw = json.dumps(raw)
        self._plain = json.dumps(
            {"v": 1, "verb": "apply", "fence": 1 << 50, "intent": raw}
        ).encode()
        self._kinds: tuple[Callable[[], bytes], ...] = (
            self._noise, self._truncated, self._flipped, self._deep, self._huge, self._twice,
            self._hostile, self._hostile, self._hostile, self._verb, self._swapped, self._lying,
        )  # fmt: skip

    def message(self) -> tuple[str, bytes]:
        """The kind's name and the bytes to send; never what a panel could send too."""
        while True:
            kind = self.dice.choice(self._kinds)
            data = kind()
            if kind not in (self._flipped, self._hostile) or not honest(data):
                return kind.__name__.strip("_"), data

    def _framed(self, body: bytes) -> bytes:
        return _HEAD.pack(len(body)) + body

    def _noise(self) -> bytes:
        return self.dice.randbytes(self.dice.randrange(1, 400))

    def _truncated(self) -> bytes:
        whole = self._framed(self._plain)
        return whole[: self.dice.randrange(1, len(whole))]

    def _flipped(self) -> bytes:
        body = bytearray(self._plain)
        for _ in range(self.dice.randint(1, 8)):
            body[self.dice.randrange(len(body))] = self.dice.randrange(256)
        return self._framed(bytes(body))

    def _deep(self) -> bytes:
        opened = self.dice.choice((b"[", b'{"v":', b'{"intent":{"tokens":['))
        return self._framed(opened * self.dice.choice((10, 1000, 20_000)))

    def _huge(self) -> bytes:
        size = self.dice.choice((1 << 22, (1 << 22) + 1, 1 << 31, (1 << 32) - 1))
        return _HEAD.pack(size) + b'{"v":1' * 50

    def _twice(self) -> bytes:
        at = self._plain.index(b"{") + 1
        key = self.dice.choice(("v", "verb", "fence", "intent"))
        value = self.dice.choice((b"1", b'"status"', b"null", b"{}"))
        again = b'"' + key.encode() + b'":' + value + b","
        return self._framed(self._plain[:at] + again + self._plain[at:])

    def _hostile(self) -> bytes:
        """A whole intent in which one value is not what it should be."""
        raw: dict[str, Any] = json.loads(self._raw)
        name = self.dice.choice([*raw, "nothing"])
        bad = self.dice.choice(_BAD)
        if name in _LISTS and self.dice.random() < 0.7:
            raw[name] = [*raw[name], bad]
        elif name == "tokens":
            raw["tokens"] = [{"mark": bad, "value": self.dice.choice(_BAD)}]
        else:
            raw[name] = bad
        return self._request("apply", fence=1 << 50, intent=raw)

    def _verb(self) -> bytes:
        """A verb that exists, or not, with the fields of another."""
        fields = {
            name: self.dice.choice((*_BAD, 5, {"packets": []}))
            for name in self.dice.sample(("fence", "intent", "marks", "packets", "x"), 3)
        }
        return self._request(self.dice.choice((*_VERBS, "", "x" * 500)), **fields)

    def _swapped(self) -> bytes:
        body = self.dice.choice(([], 1, "apply", None, [self._raw], {"v": 2, "verb": "status"}))
        return self._framed(json.dumps(body).encode())

    def _lying(self) -> bytes:
        """A length that is not the message's."""
        size = max(0, len(self._plain) + self.dice.choice((-1, 1, -100, 100)))
        return _HEAD.pack(size) + self._plain

    def _request(self, verb: str, **fields: Any) -> bytes:
        return self._framed(json.dumps({"v": 1, "verb": verb, **fields}).encode())


def honest(data: bytes) -> bool:
    """Whether a forgery happens to be a valid request."""
    try:
        raw = json.loads(data[4:])
        if raw.get("verb") in {"apply", "plan"}:
            Intent.from_json(raw["intent"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, Refused):
        return False
    return True


def forge(bench: Bench, count: int, seed: int = 1) -> Tally:
    """Send `count` forgeries."""
    forger, tally = Forger(seed), Tally()
    for _ in range(50):  # caches and lazy imports are filled before memory is looked at
        _say(bench, forger.message()[1])
    tally.memory_before, tally.files_before = _costs(bench)
    for _ in range(count):
        kind, data = forger.message()
        answer = _say(bench, data)
        word = "nothing" if not answer else "ok" if answer.get("ok") else answer["error"]["kind"]
        tally.answers[word] += 1
        if word == "ok":
            tally.accepted.append(f"{kind}: {data[:200]!r}")
    tally.memory_after, tally.files_after = _costs(bench)
    return tally


def _say(bench: Bench, data: bytes) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(20)
        made.connect(str(bench.socket))
        body = b""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            made.sendall(data)
            made.shutdown(socket.SHUT_WR)
            while part := made.recv(65_536):
                body += part
    answer: dict[str, Any] = json.loads(body[4:]) if len(body) > 4 else {}
    return answer


def slow(bench: Bench, clients: int) -> list[socket.socket]:
    """Clients that have sent half a length and say no more."""
    made = [socket.socket(socket.AF_UNIX) for _ in range(clients)]
    for one in made:
        one.settimeout(2)
        with contextlib.suppress(OSError):
            one.connect(str(bench.socket))
            one.send(b"\x00\x00")
    return made


def as_nobody(bench: Bench, data: bytes) -> str:
    """What a process of the user 65534 meets at the socket: what it got, or the error's name."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        met = "nothing"
        try:
            # This thread alone: outside a user namespace the raw call changes no other thread.
            if ctypes.CDLL(None, use_errno=True).setresuid(65_534, 65_534, 65_534):
                met = "no such user here"
            else:
                met = str(_say(bench, data))
        except OSError as error:
            met = type(error).__name__
        finally:
            os.write(tell, met.encode())
            os._exit(0)
    os.close(tell)
    os.waitpid(pid, 0)
    with os.fdopen(told) as pipe:
        return pipe.read()


def _costs(bench: Bench) -> tuple[int, int]:
    assert bench.agent
    status = Path(f"/proc/{bench.agent.pid}/status").read_text(encoding="ascii")
    memory = int(status.partition("VmRSS:")[2].split()[0])
    return memory, len(list(Path(f"/proc/{bench.agent.pid}/fd").iterdir()))


def main() -> int:
    """Run one backend; prints one JSON line, exit 1 if a rule changed or a forgery was taken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=("nft", "legacy"), required=True)
    parser.add_argument("--count", type=int, default=100_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, World.start(Path(folder, "world")) as world:
        bench = Bench(world, given.backend, Path(folder, "agent"))
        try:
            bench.start_agent()
            bench.apply()
            before = bench.rules(4), bench.rules(6)
            tally = forge(bench, given.count)
            unchanged = (bench.rules(4), bench.rules(6)) == before
        finally:
            bench.end()
    print(json.dumps(vars(given) | {"unchanged": unchanged} | vars(tally)))
    return int(not unchanged or bool(tally.accepted))


if __name__ == "__main__":
    sys.exit(main())
