"""A firewall under load: streams that must all arrive, streams of which nothing may, and a call.

Used by the proofs of atomicity. The senders run in the namespaces of the phone, the vendor and
strangers, the receiver in `srv` stands where Asterisk would.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from firewall.ruleset.types import Intent
from tests.kernel.bench import (
    PHONE,
    ROOT,
    RTP,
    SIP,
    SITE,
    SRV,
    STRANGER,
    VENDOR,
    Bench,
    intent,
    register,
    token,
)

BANNED = {4: "203.0.113.68", 6: "2001:db8:113::68"}  # a stranger who has a live token
DEAD = 900  # a mark that is revoked in all rulesets
CALL = 50  # RTP packets a second and direction (20 ms of audio each)
_OPTIONS = "OPTIONS sip:pbx.example SIP/2.0\r\nUser-Agent: scanner"


@dataclass(frozen=True)
class Outcome:
    """Packets of the allowed and the forbidden streams; `dropped` is the receiver's own loss."""

    allowed: int
    lost: int
    forbidden: int
    admitted: int
    dropped: int


def standing(**changes: Any) -> Intent:
    """An intent in which the load's phone and vendor stay allowed, its strangers forbidden."""
    given: dict[str, Any] = {"tokens": (token(1),), "revoked": (DEAD,), "bans": ()} | changes
    given["vendors"] = (*changes.get("vendors", ()), *(f"{VENDOR[f]}/{_host(f)}" for f in (4, 6)))
    given["bans"] = (*given["bans"], *(f"{BANNED[f]}/{_host(f)}" for f in (4, 6)))
    return intent(**given)


def _host(family: int) -> int:
    return 32 if family == 4 else 128


def streams(per_second: int) -> dict[str, list[dict[str, Any]]]:
    """The streams by namespace: `per_second` allowed packets and as many forbidden, and a call."""
    made: dict[str, list[dict[str, Any]]] = {"vendor": [], "attacker": []}
    share = per_second / 2
    secret, near = token(1).value, token(1).value[:-1] + "2a"[token(1).value[-1] == "2"]
    say = _OPTIONS + " {}"
    for family in (4, 6):
        vendor, phone, stranger = VENDOR[family], PHONE[family], STRANGER[family]
        first = register(secret).decode()
        # Most of a phone's packets carry no token: its flow is known by its mark.
        flow = [first, "SIP/2.0 200 OK", "ACK sip:x SIP/2.0", "INVITE sip:1@x SIP/2.0", "x"]
        made["vendor"] += [
            _stream(f"ok-vendor{family}", family, vendor, SIP, ["INVITE sip:1@x"], share / 3),
            _stream(f"ok-rtp-vendor{family}", family, vendor, RTP, ["r" * 160], CALL),
        ]
        made["attacker"] += [
            _stream(f"ok-token{family}", family, phone, SIP, [first], share / 3),
            _stream(f"ok-flow{family}", family, phone, SIP, flow, share / 3),
            _stream(f"ok-rtp-phone{family}", family, phone, RTP, ["r" * 160], CALL),
            _stream(f"no-token{family}", family, stranger, SIP, [say.format("")], share / 5),
            _stream(f"no-near{family}", family, stranger, SIP, [say.format(near)], share / 5),
            _stream(f"no-site{family}", family, stranger, SIP, [say.format(SITE)], share / 5),
            _stream(
                f"no-dead{family}",
                family,
                stranger,
                SIP,
                [say.format(token(DEAD).value)],
                share / 5,
            ),
            _stream(f"no-banned{family}", family, BANNED[family], SIP, [first], share / 10),
            _stream(f"no-rtp{family}", family, stranger, RTP, ["r" * 160], share / 10),
        ]
    return made


def _stream(  # noqa: PLR0917 - one word a column of the table above
    name: str, family: int, source: str, port: int, parts: list[str], rate: float
) -> dict[str, Any]:
    where = {"family": family, "source": source, "to": SRV[family], "to_port": port}
    return {"name": name, "parts": parts, "rate": rate, **where}


class Load:
    """Running traffic; a context manager. `outcome` is there after it."""

    def __init__(self, bench: Bench, per_second: int = 1500) -> None:
        self._bench = bench
        self._per_second = per_second
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self.outcome = Outcome(0, 0, 0, 0, 0)

    def __enter__(self) -> "Load":
        bench = self._bench
        for family in (4, 6):
            address = f"{BANNED[family]}/{24 if family == 4 else 64}"
            flags = ["nodad"] if family == 6 else []
            command = ["addr", "replace", address, "dev", "eth0", *flags]
            bench.run("ip", *command, place="attacker")
            # The bench's own sockets would take the packets.
            bench.sip[family].close()
            bench.rtp[family].close()
        bench.channel.apply(standing(), bench.fence())
        ports = [[family, port] for family in (4, 6) for port in (SIP, RTP)]
        self._start("srv", "receive", ports)
        for place, told in streams(self._per_second).items():
            self._start(place, "send", told)
        return self

    def _start(self, place: str, what: str, told: object) -> None:
        argv = [sys.executable, "-m", "tests.kernel.traffic", what]
        self._processes[place] = child = subprocess.Popen(
            self._bench.world.argv(place, argv, cwd=ROOT),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdin
        assert child.stdout
        child.stdin.write(json.dumps(told) + "\n")
        child.stdin.flush()
        assert child.stdout.readline() == "ready\n"

    def __exit__(self, *_: object) -> None:
        sent: dict[str, int] = {}
        for place in ("vendor", "attacker"):
            sent |= self._end(place)
        told = self._end("srv")
        got: dict[str, int] = told["got"]
        dropped: int = told["dropped"]
        allowed = {name: count for name, count in sent.items() if name.startswith("ok-")}
        lost = sum(count - got.get(name, 0) for name, count in allowed.items())
        self.outcome = Outcome(
            sum(allowed.values()),
            lost - dropped,
            sum(sent.values()) - sum(allowed.values()),
            sum(count for name, count in got.items() if name not in allowed),
            dropped,
        )
        self._bench.listen()

    def _end(self, place: str) -> Any:
        child = self._processes.pop(place)
        answer, _ = child.communicate(timeout=30)
        return json.loads(answer)
