"""A world with an agent in `srv`: what the kernel tests hold in their hands."""

import base64
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from firewall.channel import AgentChannel
from firewall.ruleset.types import Intent, Token
from lab.supervise import unix_ready
from lab.tools import tool
from lab.world import World

ROOT = Path(__file__).resolve().parents[2]
SITE = "ddi-kmtest23-"
SIP, TLS, RTP, SSH = 5060, 5061, 10_000, 22
SRV = {4: "203.0.113.10", 6: "2001:db8:113::10"}
VENDOR = {4: "203.0.113.20", 6: "2001:db8:113::20"}
STRANGER = {4: "203.0.113.66", 6: "2001:db8:113::66"}
PHONE = {4: "203.0.113.67", 6: "2001:db8:113::67"}
ADMIN = {4: "203.0.113.100", 6: "2001:db8:113::100"}
MANAGEMENT = ["203.0.113.100/32", "2001:db8:113::100/128"]
_numbers = itertools.count(1)


def token(mark: int) -> Token:
    """The token of a mark; always the same."""
    digits = random.Random(mark).choices("abcdefghijklmnopqrstuvwxyz234567", k=26)
    return Token(mark, SITE + "".join(digits))


def intent(**changes: Any) -> Intent:
    """Two live tokens (1, 2), one vendor, nothing banned."""
    plain = Intent(
        generation=1,
        sip_port=SIP,
        rtp_first=RTP,
        rtp_last=RTP + 100,
        management=(),
        management_ports=(),
        vendors=("203.0.113.20/32", "2001:db8:113::20/128"),
        bans=(),
        site_prefix=SITE,
        tokens=(token(1), token(2)),
        revoked=(),
    )
    return replace(plain, **changes)


def register(secret: str = "", size: int = 0) -> bytes:
    """A REGISTER that carries `secret` in its User-Agent, padded to `size` bytes."""
    lines = [
        "REGISTER sip:pbx.example SIP/2.0",
        f"Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK{next(_numbers)}",
        "From: <sip:alice@pbx.example>;tag=1",
        "To: <sip:alice@pbx.example>",
        "Call-ID: 1@192.0.2.9",
        "CSeq: 1 REGISTER",
        f"User-Agent: Phone/1.0 {secret}",
    ]
    body = "\r\n".join(lines) + "\r\n"
    return (body + "X: " + "x" * max(0, size - len(body) - 7) + "\r\n\r\n").encode()


class Hands:
    """The probe in one namespace."""

    def __init__(self, world: World, name: str) -> None:
        argv = world.argv(name, [sys.executable, "-m", "tests.kernel.probe"], cwd=ROOT)
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def do(self, action: str, **values: Any) -> Any:
        """Run one command there and return its value."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"do": action, **values}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert answer["ok"], answer
        return answer["value"]

    def udp(self, family: int, address: str = "", port: int = 0, options: bytes = b"") -> "Socket":
        """A UDP socket there; `options` is sent as IPv6 destination options."""
        name = f"s{next(_numbers)}"
        extra = {"options": base64.b64encode(options).decode()} if options else {}
        found = self.do("bind", name=name, family=family, address=address, port=port, **extra)
        return Socket(self, name, found)

    def end(self) -> None:
        """End the probe."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(5)


@dataclass
class Socket:
    """A UDP socket in a namespace."""

    hands: Hands
    name: str
    port: int

    def send(self, data: bytes, to: str, port: int) -> None:
        """Send one datagram."""
        text = base64.b64encode(data).decode()
        self.hands.do("send", name=self.name, to=[to, port], data=text)

    def receive(self, until: bytes = b"", wait: float = 1.0) -> list[tuple[str, int, bytes]]:
        """What arrived before `until`."""
        end = base64.b64encode(until).decode()
        got = self.hands.do("receive", name=self.name, until=end, wait=wait)
        return [(host, port, base64.b64decode(data)) for host, port, data in got]

    def close(self) -> None:
        """Close it."""
        self.hands.do("close", name=self.name)


class Bench:
    """World, agent and probes of one backend."""

    def __init__(self, world: World, backend: str, folder: Path) -> None:
        self.world, self.backend, self.folder = world, backend, folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.socket = folder / "agent.sock"
        self.log = folder / "agent.log"
        self.channel = AgentChannel(self.socket, timeout=30)
        self.hands = {name: Hands(world, name) for name in ("srv", "vendor", "attacker", "admin")}
        srv = self.hands["srv"]
        self.listen()
        for port in (SSH, SIP, TLS, 8080):
            for family in (4, 6):
                srv.do("listen", name=f"tcp{port}-{family}", family=family, port=port)
        self.vendor = {f: self.hands["vendor"].udp(f, VENDOR[f]) for f in (4, 6)}
        self._fences = itertools.count(1)
        self.agent: subprocess.Popen[bytes] | None = None

    def listen(self) -> None:
        """Have sockets where Asterisk would have them."""
        srv = self.hands["srv"]
        self.sip = {family: srv.udp(family, port=SIP) for family in (4, 6)}
        self.rtp = {family: srv.udp(family, port=RTP) for family in (4, 6)}

    def config(self, **changes: Any) -> Path:
        """Write the agent's configuration."""
        names = [
            f"{f}-{b}-{part}"
            for f in ("iptables", "ip6tables")
            for b in ("nft", "legacy")
            for part in ("restore", "save", "")
        ]
        names = [name.rstrip("-") for name in names]
        commands = {name: tool(name) for name in [*names, "ipset", "conntrack"]}
        env: dict[str, str] = {}
        for command in commands.values():
            env |= command.env
        raw = {
            "socket": str(self.socket),
            "allowed_uids": [0],
            "state_dir": str(self.folder / "state"),
            "backend": self.backend,
            "tools": {name: list(command.argv) for name, command in commands.items()},
            "tool_env": env,
            "management_networks": MANAGEMENT,
            "management_ports": [SSH],
        }
        path = self.folder / "agent.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(raw | changes))
        return path

    def without_conntrack(self) -> dict[str, list[str]]:
        """Tools for `start_agent` with which it ends no connection by itself."""
        tools: dict[str, list[str]] = json.loads(self.config().read_text())["tools"]
        return tools | {"conntrack": []}

    def start_agent(self, *, before: Sequence[str] = (), **changes: Any) -> None:
        """Start the agent in `srv`, by the command `before` it, and wait until it answers."""
        argv = [
            *before,
            sys.executable,
            "-m",
            "firewall.agent",
            "--config",
            str(self.config(**changes)),
        ]
        self.socket.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.agent = subprocess.Popen(
                self.world.argv("srv", argv, cwd=ROOT), stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + 40
        # A bound socket has a name before it listens.
        while not unix_ready(self.socket)():
            assert self.agent.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)

    def kill_agent(self, number: int = signal.SIGKILL) -> None:
        """End the agent."""
        if self.agent:
            os.kill(self.agent.pid, number)
            self.agent.wait(10)
            self.agent = None

    def apply(self, *, window: int = 0, **changes: Any) -> dict[str, Any]:
        """Apply `intent(**changes)` under a new fence, what is critical for `window` seconds."""
        return self.channel.apply(intent(**changes), self.fence(), window)

    def fence(self) -> int:
        """A fence higher than all before."""
        fence: int = self.channel.status()["fence"]
        return fence + 1

    def run(
        self,
        name: str,
        *arguments: str,
        text: str | None = None,
        check: bool = True,
        place: str = "srv",
    ) -> str:
        """Run a tool in `srv`; returns its output."""
        command = tool(name)
        done = self.world.run(
            place, command.line(*arguments), env=command.env, input=text, check=check
        )
        return done.stdout

    def tables(self, family: int, part: str = "save") -> str:
        """Name of an iptables tool of this backend."""
        return f"ip{'6' if family == 6 else ''}tables-{self.backend}-{part}"

    def rules(self, family: int = 4) -> str:
        """The dump without comments, counters and times."""
        text = self.run(self.tables(family))
        return "\n".join(line for line in text.splitlines() if not line.startswith(("#", ":")))

    def connect(self, name: str, family: int, port: int) -> str:
        """What a TCP connect from `name`'s main address to the server meets."""
        addresses = {"vendor": VENDOR, "attacker": STRANGER, "admin": ADMIN, "phone": PHONE}
        source, to = addresses[name][family], [SRV[family], port]
        hands = self.hands["attacker" if name == "phone" else name]
        met: str = hands.do("connect", family=family, to=to, source=source)
        return met

    def arrived(self, family: int, at: str = "sip") -> list[bytes]:
        """What reached the server since last asked; a vendor's datagram marks the end."""
        port = {"sip": SIP, "rtp": RTP}[at]
        end = f"end {next(_numbers)}".encode()
        self.vendor[family].send(end, SRV[family], port)
        sink = {"sip": self.sip, "rtp": self.rtp}[at][family]
        return [data for _, _, data in sink.receive(until=end, wait=2.0)]

    def fresh(self) -> None:
        """Forget trials, flows, proofs, foreign rules; apply the plain intent."""
        if trial := self.channel.status()["trial"]:
            self.channel.rollback(trial["fence"])
        names = ("seen", "cut", "jail")
        lines = [f"flush ddi-{name}{family}" for family in (4, 6) for name in names]
        self.run("ipset", "restore", text="\n".join([*lines, ""]), check=False)
        self.run("conntrack", "-F")
        self.apply()
        for family in (4, 6):
            self.arrived(family)
            self.arrived(family, "rtp")

    def clear(self, *, disk: bool = True) -> None:
        """Take all rules and sets away, as a reboot does; with `disk` what the agent kept, too."""
        for family in (4, 6):
            name = self.tables(family).removesuffix("-save")
            chains = [
                line.split()[0][1:]
                for line in self.run(self.tables(family)).splitlines()
                if line.startswith(":DDI")
            ]
            lines = [f":{chain} - [0:0]" for chain in chains]
            lines += ["-D INPUT -j DDI-IN"] * bool(chains) + [f"-X {chain}" for chain in chains]
            text = "\n".join(["*filter", *lines, "COMMIT", ""])
            self.run(f"{name}-restore", "--noflush", text=text)
        self.run("ipset", "destroy")
        if disk:
            shutil.rmtree(self.folder / "state")

    def end(self) -> None:
        """End all of it."""
        self.kill_agent(signal.SIGTERM)
        for hands in self.hands.values():
            hands.end()
