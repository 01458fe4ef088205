"""Oracle against kernel: random packets, both asked, differences as JSON lines on stdout.

`python -m tests.kernel.duel --backend nft --seed 1 --packets 1000` enters a namespace of its own
for each round, so no flow lives long enough to time out. A round has its own random intent, is
asked some hundred packets that build on each other, and is then given an intent in which tokens
are revoked and bans added, with the flows of the first still alive.
"""

import argparse
import ipaddress
import json
import os
import random
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from firewall.agent import own_net, scratch
from firewall.agent.config import Config
from firewall.ruleset.memory import Memory
from firewall.ruleset.oracle import Oracle
from firewall.ruleset.packet import Packet
from firewall.ruleset.types import Management
from lab.tools import tool
from tests.kernel.bench import MANAGEMENT, SIP, SSH, TLS
from tests.kernel.random_traffic import PEERS, Random

ROUND = 500
#: Of the peers two in each family are at home in Utopia.
COUNTRIES = {
    4: "# test\n3405803776,3405803839,UT\n3405803840,3405804031,XX\n134744072,134744072,UT\n",
    6: "2001:db8:113::66,2001:db8:113::66,UT\n2a00::,2a00:ffff::,UT\n",
}


def config(backend: str) -> Config:
    """A configuration with the tools of the laboratory."""
    names = [
        f"{f}-{b}-{part}"
        for f in ("iptables", "ip6tables")
        for b in ("nft", "legacy")
        for part in ("restore", "save")
    ]
    commands = {name: tool(name) for name in [*names, "ipset"]}
    env: dict[str, str] = {}
    for command in commands.values():
        env |= command.env
    tools = {name: tuple(command.argv) for name, command in commands.items()}
    management = Management(tuple(MANAGEMENT), (SSH,))
    nowhere = Path("/nonexistent")
    return Config(nowhere, frozenset(), nowhere, backend, tools, env, management)  # type: ignore[arg-type]


def contest(
    settings: Config, seed: str, count: int, counters: bool = False
) -> Iterator[dict[str, Any]]:
    """One round in this process's own namespace; yields each difference.

    With `counters` the sockets and the rules' counters are both asked, and must agree too.
    """
    chance = Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(settings, country_files=_countries(Path(folder)))
        kernel = scratch.Scratch(settings, Path(folder), (4, 6))
        assert kernel.sees
        listening = _listen()
        wanted, memory = chance.intent(), Memory()
        passed = 0
        for half in range(2):
            kernel.load(wanted)
            oracle = Oracle(wanted, settings.management, memory, _at_home)
            for index in range(half, count, 2):
                if chance.dice.random() < 0.02:
                    _shift(kernel, memory, chance.dice)
                packet = chance.packet(wanted)
                got = _ask(kernel, packet, chance.dice, counters)
                said = oracle.judge(packet)
                passed += bool(got)
                if got is not said.accepted:
                    what = {"packet": str(packet), "kernel": got, "oracle": said.path}
                    what |= {"fragment": packet.fragment, "missing": packet.missing}
                    what |= {"extra": len(packet.extra), "hops": packet.hop_limit}
                    yield what | {"seed": seed, "index": index, "half": half}
            wanted = chance.later(wanted) if half == 0 else wanted
        for one in listening:
            one.close()
        print(json.dumps({"seed": seed, "passed": passed, "of": count}), flush=True)


def _listen() -> list[socket.socket]:
    """Somebody who answers at the gates; nobody takes the connections that come about.

    What a reset has closed stays in conntrack for 10 s: too short for a slow machine's round.
    """
    close = Path("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close")
    close.write_text("600", encoding="ascii")
    made = []
    for port in (SIP, TLS):
        for family in (socket.AF_INET, socket.AF_INET6):
            one = socket.socket(family, socket.SOCK_STREAM)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(("", port))
            one.listen(4096)
            made.append(one)
    return made


def _countries(folder: Path) -> dict[Any, Path]:
    files = {}
    for version, text in COUNTRIES.items():
        files[version] = folder / f"geoip{version}"
        files[version].write_text(text, encoding="ascii")
    return files


def _at_home(address: str) -> bool:
    """Not by the code that the rules come from: these are the networks of the text above."""
    home = ("203.0.113.0/26", "8.8.8.8/32", "2001:db8:113::66/128", "2a00::/16")
    one = ipaddress.ip_address(address)
    nets = map(ipaddress.ip_network, home)
    return any(one in net for net in nets if net.version == one.version)


def _ask(
    kernel: scratch.Scratch, packet: Packet, dice: random.Random, counters: bool
) -> bool | None:
    if not counters:
        return kernel.send(packet, dice if packet.fragment else None)
    passed, counted, _ = kernel.trace(packet)
    return passed if passed is bool(counted) else None


def _shift(kernel: scratch.Scratch, memory: Memory, dice: random.Random) -> None:
    """What time and the agent do to the sets: an address is forgotten, or cut."""
    family = dice.choice((4, 6))
    address = dice.choice(PEERS[family])
    memory.seen.discard(address)
    lines = [f"del -exist ddi-seen{family} {address}", f"del -exist ddi-jail{family} {address}"]
    memory.jail.discard(address)
    if dice.random() < 0.15:
        memory.jail.add(address)
        lines.append(f"add -exist ddi-jail{family} {address}")
    if dice.random() < 0.5:
        memory.cut.add(address)
        lines.append(f"add -exist ddi-cut{family} {address}")
    kernel.members(lines)


def main() -> int:
    """Run the rounds, each in a child; exit 1 if any packet was judged differently."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=("nft", "legacy"), required=True)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--packets", type=int, required=True)
    parser.add_argument("--counters", action="store_true", help="ask the counters too (slow)")
    given = parser.parse_args()
    settings, worst = config(given.backend), 0
    for number, start in enumerate(range(0, given.packets, ROUND)):
        child = os.fork()
        if child == 0:
            worst = 2
            try:
                own_net.enter()
                count = min(ROUND, given.packets - start)
                found = list(contest(settings, f"{given.seed}-{number}", count, given.counters))
                print("".join(json.dumps(one) + "\n" for one in found), end="", flush=True)
                worst = int(bool(found))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(worst)
        worst = max(worst, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return worst


if __name__ == "__main__":
    sys.exit(main())
