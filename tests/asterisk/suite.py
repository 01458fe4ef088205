"""A suite of real calls through the whole of ddiweb, firewall included; audio by tone, both ways.

``python -m tests.asterisk.suite`` (``make calls``) runs all of it in a sandbox of its own: trunk
kind x transport of the phone x step kind, then hold and resume, DTMF and session timers. The tests
take a slice. What is set up goes over the REST API, as a person's edits do.
"""

import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lab.demo import SIP_DOMAIN
from lab.iax_phone import IaxPhone
from lab.phones import PjsuaPhone
from lab.sipp import Sipp
from lab.stack import Stack
from lab.tone import Heard
from lab.vendor import FIRST, SECOND, SERVER, VENDOR_TONE_HZ

PHONE_TONE_HZ = 600
TLS_PORT, IAX_PORT, REGISTRAR = 5061, 4569, 5190
SECRET = "vendors-own-secret"
TRANSPORTS = ("udp", "tcp", "tls", "iax")
TRUNKS = ("address", "registration", "tls")
STEPS = ("ring", "in turn")
Phone = PjsuaPhone | IaxPhone
Trunk = Literal["address", "registration", "tls"]


@dataclass
class Suite:
    """A stack with four phones, a trunk by address and one of the other kinds, a number each."""

    stack: Stack
    folder: Path
    peers: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    trunks: dict[str, int] = field(default_factory=dict)
    counter: int = 0

    def prepare(self) -> None:
        """Set up what all calls share."""
        ask, node = self.stack.ask, self.stack.rows("/nodes/")[0]
        self.before = {name: node[name] for name in ("iax_port",)}
        ask("PATCH", f"/nodes/{node['slug']}/", {"iax_port": IAX_PORT})
        for transport in TRANSPORTS:
            fields: dict[str, Any] = {"transport": transport}
            if transport == "tls":
                fields["strict_names"] = True
            if transport == "iax":
                fields["carrier"] = "username"
            self.peers[transport] = self.stack.peer(f"Suite {transport}", **fields)
        self.peers["absent"] = self.stack.peer("Suite absent")
        for row in self.stack.rows("/trunks/"):
            if f"{FIRST}/32" in [network["cidr"] for network in row["networks"]]:
                self.trunks["address"] = row["id"]
        made = {"node": node["slug"], "name": "Suite", "networks": [{"cidr": f"{SECOND}/32"}]}
        self.trunks["other"] = ask("POST", "/trunks/", made)["id"]
        for place, name in enumerate(("address", "other")):
            reject = [{"kind": "reject", "cause": "busy"}]
            body = {"trunk": self.trunks[name], "e164": f"+44207946099{place}", "steps": reject}
            self.numbers[name] = ask("POST", "/numbers/", body)
        self.ca = self.folder / "ca.pem"
        self.ca.write_text(self.stack.manage("ca", "show"))
        self.stack.settled()

    def clean(self) -> None:
        """Leave the stack as it was found."""
        for number in self.numbers.values():
            self.stack.ask("DELETE", f"/numbers/{number['id']}/")
        self.stack.ask("DELETE", f"/trunks/{self.trunks['other']}/")
        for peer in self.peers.values():
            self.stack.ask("DELETE", f"/peers/{peer['id']}/")
        node = self.stack.rows("/nodes/")[0]
        self.stack.ask("PATCH", f"/nodes/{node['slug']}/", self.before)
        self.stack.settled()

    @contextmanager
    def trunk(self, kind: Trunk) -> Iterator[tuple[str, str, bool]]:
        """A trunk of this kind in force; yields its number's name, its address and whether TLS."""
        if kind == "address":
            yield "address", FIRST, False
            return
        path = f"/trunks/{self.trunks['other']}/"
        if kind == "tls":
            self.stack.ask("PATCH", path, {"register": False, "transport": "tls", "srtp": True})
            self.stack.settled()
            yield "other", SECOND, True
            return
        keys = {"username": "account-7", "secret": SECRET}
        with Sipp(
            self.stack.world().ns["vendor"], self.folder / "registrar", "registrar",
            address=SECOND, port=REGISTRAR, calls=50, keys=keys, timeout=300,
        ) as registrar:  # fmt: skip
            body = {"transport": "udp", "srtp": False, "register": True, "host": SECOND}
            body |= {"port": REGISTRAR, "username": "account-7", "password": SECRET}
            self.stack.ask("PATCH", path, body)
            registrar.wait_for("REGISTER", 2)
            self.stack.settled()
            yield "other", SECOND, False
        self.stack.ask("PATCH", path, {"register": False})
        # Or the next one to register would find nothing changed.
        self.stack.settled()

    def phone(self, transport: str, **options: Any) -> Phone:
        """A phone of this transport, not started; behind NAT, with its token."""
        self.counter += 1
        peer, ns = self.peers[transport], self.stack.world().ns["phone"]
        folder = self.folder / f"p{self.counter}"
        if transport == "iax":
            return IaxPhone(
                ns, folder, user=peer["token"], password=peer["password"], server=SERVER,
                tone_hz=PHONE_TONE_HZ,
            )  # fmt: skip
        return PjsuaPhone(
            ns, folder, user_agent=f"suite/1 {peer['token']}", tone_hz=PHONE_TONE_HZ,
            transport=transport, ca=self.ca if transport == "tls" else None, **options,
        )  # fmt: skip

    def register(self, phone: Phone, transport: str) -> None:
        """Register it; AssertionError if the node does not take it."""
        if isinstance(phone, IaxPhone):
            assert phone.registered(15), phone.state()
            return
        peer = self.peers[transport]
        at = f"{peer['token']}.{SIP_DOMAIN}:{TLS_PORT}" if transport == "tls" else SERVER
        answer = phone.register(peer["username"], peer["password"], at)
        assert answer.registered, (transport, answer)

    def route(self, number: str, step: str, transport: str) -> str:
        """Bring a route into force; returns the number's digits."""
        peers = [self.peers[transport]["id"]]
        if step == "in turn":
            peers.insert(0, self.peers["absent"]["id"])
        steps: list[dict[str, Any]] = [{"kind": "ring", "peers": peers}]
        steps[0]["in_turn"] = step == "in turn"
        if step == "reject":
            steps = [{"kind": "reject", "cause": "busy"}]
        row = self.numbers[number]
        self.stack.ask("PATCH", f"/numbers/{row['id']}/", {"steps": steps})
        self.stack.settled()
        return str(row["e164"])

    @contextmanager
    def vendor(self, address: str, secure: bool, **options: Any) -> Iterator[PjsuaPhone]:
        """The vendor's own phone at ``address``."""
        self.counter += 1
        with PjsuaPhone(
            self.stack.world().ns["vendor"], self.folder / f"v{self.counter}", user_agent="vendor",
            tone_hz=VENDOR_TONE_HZ, address=address, port=5060,
            transport="tls" if secure else "udp", ca=self.ca if secure else None, **options,
        ) as caller:  # fmt: skip
            caller.identify("+441632960000", f"{SIP_DOMAIN}:{TLS_PORT}" if secure else address)
            yield caller


def uri(ddi: str, secure: bool) -> str:
    """Whom the vendor calls."""
    return f"sip:{ddi}@{SIP_DOMAIN}:{TLS_PORT};transport=tls" if secure else f"sip:{ddi}@{SERVER}"


def talk(caller: PjsuaPhone, phone: Phone, ddi: str, secure: bool) -> None:
    """Call and listen at both ends; AssertionError naming what was not heard."""
    state = caller.call(uri(ddi, secure), wait=15)
    assert state.status == 200, (state.status, state.reason)
    heard, there = caller.heard(1.5), Heard(0, 0.0, 0.0)
    there = phone.heard() if isinstance(phone, IaxPhone) else phone.heard(0.2)
    caller.hangup()
    assert abs(heard.hz - PHONE_TONE_HZ) <= 30, f"the vendor heard {heard.hz} Hz"
    assert abs(there.hz - VENDOR_TONE_HZ) <= 30, f"the phone heard {there.hz} Hz"


def calls(suite: Suite, kind: Trunk, transport: str, steps: tuple[str, ...]) -> Iterator[str]:
    """One call a step kind; yields what was done."""
    with suite.trunk(kind) as (number, address, secure):
        for step in steps:
            with suite.phone(transport) as phone, suite.vendor(address, secure) as caller:
                ddi = suite.route(number, step, transport)
                suite.register(phone, transport)
                talk(caller, phone, ddi, secure)
            yield f"{kind} / {transport} / {step}"


def held(suite: Suite, transport: str) -> None:
    """Hold and resume from the phone, digits both ways in both forms, all in one call."""
    ddi = suite.route("address", "ring", transport)
    with suite.phone(transport) as phone, suite.vendor(FIRST, False) as caller:
        assert isinstance(phone, PjsuaPhone)
        suite.register(phone, transport)
        assert caller.call(uri(ddi, False), wait=15).status == 200
        assert caller.heard(1.0).hz == PHONE_TONE_HZ
        assert phone.hold()
        time.sleep(0.5)
        assert phone.resume()
        assert phone.heard(1.5).hz == VENDOR_TONE_HZ
        phone.dial("12")
        phone.dial("34", info=True)
        caller.dial("56")
        caller.dial("78", info=True)
        time.sleep(0.5)
        got = tuple(one.state().call for one in (caller, phone))
        assert [one.digits if one else "" for one in got] == ["1234", "5678"]
        caller.hangup()


def long_call(suite: Suite, seconds: float = 100.0) -> int:
    """A call beyond its session's 90 s (RFC 4028's least); returns the vendor's refreshes."""
    ddi = suite.route("address", "ring", "udp")
    with (
        suite.phone("udp", session_seconds=90) as phone,
        suite.vendor(FIRST, False, session_seconds=90) as caller,
    ):
        suite.register(phone, "udp")
        assert caller.call(uri(ddi, False), wait=15).status == 200
        time.sleep(seconds)
        assert caller.heard(1.0).hz == PHONE_TONE_HZ
        assert isinstance(phone, PjsuaPhone)
        assert phone.heard(0.2).hz == VENDOR_TONE_HZ
        caller.hangup()
        log = (caller.folder / "pjsua.log").read_text()
    return len(re.findall(r"^UPDATE sip:", log, re.MULTILINE))


def everything(suite: Suite) -> Iterator[tuple[str, Callable[[], object]]]:
    """All parts of the suite by name."""
    for kind in TRUNKS:
        for transport in TRANSPORTS:
            yield (
                f"{kind} / {transport}",
                lambda kind=kind, transport=transport: list(calls(suite, kind, transport, STEPS)),
            )
    for transport in ("udp", "tcp", "tls"):
        yield f"hold, resume, DTMF / {transport}", lambda t=transport: held(suite, t)
    yield "session timer", lambda: long_call(suite)


def main() -> int:
    """Run all; 1 if a call failed."""
    failed = done = 0
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="calls-")))
        stack = Stack.start(folder / "stack")
        ends.callback(stack.stop)
        suite = Suite(stack, folder)
        suite.prepare()
        for name, part in everything(suite):
            began = time.monotonic()
            try:
                made = part()
                count = len(made) if isinstance(made, list) else 1
                word = f"ok, {made} refreshes" if isinstance(made, int) else "ok"
            except Exception as error:
                failed, count, word = failed + 1, 0, f"FAILED: {error!r}"
            done += count
            print(f"{name:<32} {time.monotonic() - began:6.1f} s  {word}", flush=True)
    print(f"{done} calls heard at both ends, {failed} parts failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
