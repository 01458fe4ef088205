"""What a suite of real calls needs: a running ddiweb with its phones, trunks and numbers.

``tests.asterisk.suite_steps`` has the kinds of steps, ``tests.asterisk.suite_run`` runs all of it.
What is set up goes over the REST API, as a person's edits do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from lab.demo import SIP_DOMAIN
from lab.iax_phone import IaxPhone
from lab.linphone import LinphonePhone
from lab.phones import PjsuaPhone
from lab.sipp import Sipp
from lab.stack import Stack
from lab.vendor import FIRST, SECOND, SERVER, VENDOR_TONE_HZ
from peers.tls import authority
from tests.asterisk.sipp_phone import SippPhone

PHONE_TONE_HZ = 600
LINPHONE_TONE_HZ = 700
#: Whom calls are forwarded to.
THERE_TONE_HZ = 800
TLS_PORT, IAX_PORT = 5061, 4569
#: Of the vendors' hosts that are called: plain, the account's, and TLS.
HOST_PORT, ACCOUNT_PORT, SECURE_PORT = 5062, 5190, 5071
SECURE_NAME = "second.sandbox.test"
SECRET = "vendors-own-secret"
TRANSPORTS = ("udp", "tcp", "tls", "iax")
Trunk = Literal["address", "registration", "tls", "tcp"]
TRUNKS: tuple[Trunk, ...] = ("address", "registration", "tls")
#: A vendor by TCP: by it only each step is called, from one phone.
MORE_TRUNKS: tuple[Trunk, ...] = ("tcp",)
#: Ofcom keeps 020 7946 0000 to 0999 for drama.
ELSEWHERE = "+442079460999"
Phone = PjsuaPhone | IaxPhone | LinphonePhone | SippPhone


@dataclass(frozen=True)
class Line:
    """A trunk that is in force: its number's name, the vendor's address, and transport."""

    kind: Trunk
    number: str
    address: str
    transport: str = "udp"

    @property
    def secure(self) -> bool:
        """Whether signalling is TLS, and audio SRTP."""
        return self.transport == "tls"


@dataclass
class Suite:
    """A stack with five phones, a trunk by address and one of the other kinds, a number each.

    ``vendors`` is the authority of the vendor's TLS, if the node trusts it: then calls go out by
    TLS too.
    """

    stack: Stack
    folder: Path
    vendors: authority.Signed | None = None
    peers: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    trunks: dict[str, int] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)
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
        # sipp's scenario knows no OPTIONS.
        self.peers["sipp"] = self.stack.peer("Suite sipp", qualify=0)
        for row in self.stack.rows("/trunks/"):
            if f"{FIRST}/32" in [network["cidr"] for network in row["networks"]]:
                self.trunks["address"] = row["id"]
                self.host_before = {"host": row["host"], "port": row["port"]}
        host = {"host": FIRST, "port": HOST_PORT}
        ask("PATCH", f"/trunks/{self.trunks['address']}/", host)
        made = {"node": node["slug"], "name": "Suite", "networks": [{"cidr": f"{SECOND}/32"}]}
        made |= {"host": SECOND, "qualify": False}
        self.trunks["other"] = ask("POST", "/trunks/", made)["id"]
        for place, name in enumerate(("address", "other")):
            reject = [{"kind": "reject", "cause": "busy"}]
            body = {"trunk": self.trunks[name], "e164": f"+44207946099{place}", "steps": reject}
            self.numbers[name] = ask("POST", "/numbers/", body)
        self._make_ends(node["slug"])
        self.ca = self.folder / "ca.pem"
        self.ca.write_text(self.stack.manage("ca", "show"))
        self.stack.settled()

    def _make_ends(self, node: str) -> None:
        """An announcement, a mailbox and a policy for the steps that need them."""
        tone = Path(__file__).parents[1] / "db" / "tone700.mp3"
        self.made["sounds"] = self.stack.upload("/sounds/", tone, node=node, name="Suite")
        body = {"node": node, "name": "Suite", "greeting": self.made["sounds"]["id"]}
        self.made["mailboxes"] = self.stack.ask("POST", "/mailboxes/", body)
        body = {"node": node, "name": "Suite", "country": "GB", "zones": ["GB"]}
        body |= {"trunks": [self.trunks["address"]], "number": self.numbers["address"]["id"]}
        body |= {"calls_max": 20, "calls_a_minute": 100}
        self.made["outgoing-policies"] = self.stack.ask("POST", "/outgoing-policies/", body)

    def clean(self) -> None:
        """Leave the stack as it was found."""
        self.stack.ask("DELETE", f"/outgoing-policies/{self.made['outgoing-policies']['id']}/")
        for number in self.numbers.values():
            self.stack.ask("DELETE", f"/numbers/{number['id']}/")
        for kind in ("mailboxes", "sounds"):
            self.stack.ask("DELETE", f"/{kind}/{self.made[kind]['id']}/")
        self.stack.ask("DELETE", f"/trunks/{self.trunks['other']}/")
        self.stack.ask("PATCH", f"/trunks/{self.trunks['address']}/", self.host_before)
        for peer in self.peers.values():
            self.stack.ask("DELETE", f"/peers/{peer['id']}/")
        node = self.stack.rows("/nodes/")[0]
        self.stack.ask("PATCH", f"/nodes/{node['slug']}/", self.before)
        self.stack.settled()

    @contextmanager
    def trunk(self, kind: Trunk) -> Iterator[Line]:
        """A trunk of this kind in force; calls that are forwarded go out by it."""
        name = "address" if kind == "address" else "other"
        policy = f"/outgoing-policies/{self.made['outgoing-policies']['id']}/"
        self.stack.ask("PATCH", policy, {"trunks": [self.trunks[name]]})
        path = f"/trunks/{self.trunks['other']}/"
        if kind == "address":
            self.stack.settled()
            yield Line(kind, name, FIRST)
            return
        if kind in ("tls", "tcp"):
            host = (SECURE_NAME, SECURE_PORT) if kind == "tls" else (SECOND, HOST_PORT)
            body = {"host": host[0], "port": host[1], "transport": kind, "srtp": kind == "tls"}
            self.stack.ask("PATCH", path, {"register": False, **body})
            self.stack.settled()
            yield Line(kind, name, SECOND, kind)
            return
        keys = {"username": "account-7", "secret": SECRET}
        with Sipp(
            self.stack.world().ns["vendor"], self.folder / "account", "account", address=SECOND,
            port=ACCOUNT_PORT, calls=500, keys=keys, timeout=900, echo=True,
        ) as account:  # fmt: skip
            body = {"transport": "udp", "srtp": False, "register": True, "host": SECOND}
            body |= {"port": ACCOUNT_PORT, "username": "account-7", "password": SECRET}
            self.stack.ask("PATCH", path, body)
            account.wait_for("REGISTER", 2)
            self.stack.settled()
            try:
                yield Line(kind, name, SECOND)
            finally:
                self.stack.ask("PATCH", path, {"register": False})
        # Or the next one to register would find nothing changed.
        self.stack.settled()

    def next_folder(self, name: str) -> Path:
        """A folder of its own for each that takes part."""
        self.counter += 1
        return self.folder / f"{name}{self.counter}"

    def phone(self, transport: str, kind: str = "pjsip", **options: Any) -> Phone:
        """A phone of this transport, not started: with its token, behind NAT (sipp is not)."""
        peer, spaces = self.peers[transport], self.stack.world().ns
        ns = spaces["phone"]
        folder, agent = self.next_folder("p"), f"suite/1 {peer['token']}"
        ca = self.ca if transport == "tls" else None
        if transport == "iax":
            return IaxPhone(
                ns, folder, user=peer["token"], password=peer["password"], server=SERVER,
                tone_hz=PHONE_TONE_HZ, **options,
            )  # fmt: skip
        if kind == "linphone":
            return LinphonePhone(ns, folder, user_agent=agent, ca=ca, tone_hz=LINPHONE_TONE_HZ)
        if kind == "sipp":
            return SippPhone(spaces["attacker"], folder, agent)
        return PjsuaPhone(
            ns, folder, user_agent=agent, tone_hz=PHONE_TONE_HZ, transport=transport, ca=ca,
            **options,
        )  # fmt: skip

    def register(self, phone: Phone, transport: str) -> None:
        """Register it; AssertionError if the node does not take it."""
        if isinstance(phone, IaxPhone):
            assert phone.registered(15), phone.state()
            return
        peer = self.peers[transport]
        at = f"{peer['token']}.{SIP_DOMAIN}:{TLS_PORT}" if transport == "tls" else SERVER
        user, password = peer["username"], peer["password"]
        if isinstance(phone, LinphonePhone):
            assert phone.register(user, password, at, transport=transport), transport
        elif isinstance(phone, SippPhone):
            assert phone.register(user, password) == 200, transport
        else:
            answer = phone.register(user, password, at)
            assert answer.registered, (transport, answer)

    def route(self, number: str, steps: list[dict[str, Any]]) -> str:
        """Bring a route into force; returns the number's digits."""
        row = self.numbers[number]
        self.stack.ask("PATCH", f"/numbers/{row['id']}/", {"steps": steps})
        self.stack.settled()
        return str(row["e164"])

    def ring(self, transport: str, number: str = "address") -> str:
        """A route that rings the phone of this transport; returns the number's digits."""
        return self.route(number, [{"kind": "ring", "peers": [self.peers[transport]["id"]]}])

    @contextmanager
    def vendor(self, line: Line, **options: Any) -> Iterator[PjsuaPhone]:
        """The vendor's own phone, which calls."""
        secure = line.secure
        with PjsuaPhone(
            self.stack.world().ns["vendor"], self.next_folder("v"), user_agent="vendor",
            tone_hz=VENDOR_TONE_HZ, address=line.address, port=5060,
            transport=line.transport, ca=self.ca if secure else None, **options,
        ) as caller:  # fmt: skip
            host = f"{SIP_DOMAIN}:{TLS_PORT}" if secure else line.address
            caller.identify("+441632960000", host)
            yield caller

    @contextmanager
    def elsewhere(self, line: Line) -> Iterator[PjsuaPhone | None]:
        """Who is called by this trunk; None: the account, which sends all audio back."""
        if line.kind == "registration":
            yield None
            return
        options: dict[str, Any] = {"port": HOST_PORT, "transport": line.transport}
        if line.secure:
            assert self.vendors, "the node trusts no vendor of ours"
            folder = self.next_folder("c")
            folder.mkdir(parents=True)
            made = authority.issue(self.vendors, (SECURE_NAME,), datetime.now(UTC))
            pem, ca = folder / "own.pem", folder / "ca.pem"
            pem.write_text(made.pem + made.key)
            ca.write_text(self.vendors.certificate)
            options = {"port": SECURE_PORT, "transport": "tls", "certificate": pem, "ca": ca}
        with PjsuaPhone(
            self.stack.world().ns["vendor"], self.next_folder("e"), address=line.address,
            tone_hz=THERE_TONE_HZ, **options,
        ) as there:  # fmt: skip
            there.identify(ELSEWHERE, line.address)
            yield there


def uri(ddi: str, transport: str = "udp") -> str:
    """Whom the vendor calls."""
    if transport == "tls":
        return f"sip:{ddi}@{SIP_DOMAIN}:{TLS_PORT};transport=tls"
    return f"sip:{ddi}@{SERVER}" + (";transport=tcp" if transport == "tcp" else "")
