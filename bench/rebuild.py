"""A rebuild of all rules: the agent's apply, one `iptables -A` a rule, and three other programs.

The agent's figure is the whole apply: both families, staged, loaded, dumped and compared. The
processes append a rule a token to both families, too. The other programs are timed for what they
do for as many IPv4 rules: ufw and firewalld reload rules that they already keep, fail2ban bans as
many addresses, each in Debian's version and by its own code.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.ground import BACKENDS, Backend, Ground, on_ground
from bench.packets import tokens, wanted
from bench.result import Result, median
from lab.errors import LabError
from lab.rivals import Rivals
from lab.tools import tool
from lab.world import World

TOKENS = int(os.environ.get("DDIWEB_BENCH_REBUILD", "10000"))
#: Where one process a rule would take longer than this, it is measured with fewer rules.
PATIENCE = 1200.0
_RUNS = 3


def run() -> list[Result]:
    """Measure each backend; a program that can't run here is left out with a word on stderr."""
    results: list[Result] = []
    for backend in BACKENDS:
        ours = on_ground(backend, _ours)
        results += [
            Result(f"rebuild-{backend}-{TOKENS}", ours["all"], "s", "", 0.0, "", _RUNS),
            Result(f"rebuild-one-more-{backend}-{TOKENS}", ours["one"], "s", "all of them",
                   ours["all"] / ours["one"], "", _RUNS),
        ]  # fmt: skip
        count, took = on_ground(backend, _appended)
        against = f"one iptables -A a rule, {count} a family"
        results.append(_beside(backend, ours["all"], against, took,
                               "at least 100 times faster" if count == TOKENS else ""))  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="ddiweb-bench-") as folder:
            results += _rivals(backend, ours["all"], Path(folder))
    return results


def _beside(backend: str, ours: float, against: str, took: float, goal: str = "") -> Result:
    word = "appending" if "iptables" in against else against.split(maxsplit=1)[0]
    name = f"rebuild-{backend}-beside-{word}"
    return Result(name, ours, "s", f"{against}: {took:.1f} s", took / ours, goal, 1)


def _ours(ground: Ground) -> dict[str, float]:
    """Seconds of an apply in which every rule is another, and of one with one more token."""
    whole, one = [], []
    for number in range(_RUNS):
        shifted = wanted(TOKENS + 1 + number)  # another seed: no token in common
        whole.append(_timed(partial(ground.apply, shifted)))
        fewer = replace(shifted, tokens=shifted.tokens[:-1])
        one.append(_timed(partial(ground.apply, fewer)))
    return {"all": median(whole), "one": median(one)}


def _appended(ground: Ground) -> tuple[int, float]:
    """Append rule by rule, in both families; 2,000 if all would take longer than `PATIENCE`.

    Each process reads what is there, so the whole grows with the square of the count.
    """
    commands = [tool(f"{family}-{ground.backend}") for family in ("iptables", "ip6tables")]
    env = os.environ | commands[0].env | {"XTABLES_LOCKFILE": str(ground.lock)}
    known, begun = tokens(TOKENS), time.monotonic()
    for count, one in enumerate(known, 1):
        rule = ("-m", "string", "--string", one.value, "--algo", "bm", "-j", "ACCEPT")
        for command in commands:
            subprocess.run(command.line("-A", "INPUT", *rule), env=env, check=True)
        took = time.monotonic() - begun
        if count == min(2_000, TOKENS) and took * (TOKENS / count) ** 2 > PATIENCE:
            break
    return count, took


def _rivals(backend: Backend, ours: float, folder: Path) -> list[Result]:
    results = []
    works: dict[str, Callable[[Rivals], tuple[int, float]]] = {
        "firewalld": _firewalld,
        "ufw": _ufw,
        "fail2ban": _fail2ban,
    }
    for name, work in works.items():
        print(f"bench: rebuild, {backend}, {name} …", file=sys.stderr, flush=True)
        with World.start(folder / name / "world") as world:
            rivals = Rivals(world.ns["srv"], folder / name / "rivals", backend)
            try:
                count, took = work(rivals)
            except (LabError, subprocess.SubprocessError) as error:
                print(f"bench: {name} left out: {str(error)[-200:]}", file=sys.stderr)
                continue
            finally:
                rivals.stop_fail2ban()
        results.append(_beside(backend, ours, f"{name} with {count} rules", took))
    return results


def address(number: int) -> str:
    """An address of 198.18.0.0/15 (RFC 2544)."""
    return f"198.{18 + number // 65_536}.{number // 256 % 256}.{number % 256}"


def _ufw(rivals: Rivals) -> tuple[int, float]:
    """`ufw reload` of as many rules, written as ufw itself writes them."""
    rivals.ufw("--force", "enable")
    file = rivals.folder / "ufw/etc/ufw/user.rules"
    lines, count = [], min(TOKENS, 2_000)
    for number in range(count):
        source = address(number)
        lines.append(f"### tuple ### allow udp 5060 0.0.0.0/0 any {source} in")
        lines.append(f"-A ufw-user-input -p udp --dport 5060 -s {source} -j ACCEPT\n")
    text = file.read_text()
    file.write_text(text.replace("### END RULES ###", "\n".join([*lines, "### END RULES ###"]), 1))
    took = _timed(lambda: rivals.ufw("reload"))
    have = rivals.count("-A ufw-user-input")
    if have < count:
        raise LabError(f"ufw loaded {have} of {count} rules")
    return count, took


def _firewalld(rivals: Rivals) -> tuple[int, float]:
    """A reload by firewalld's core of as many rich rules in one zone."""
    backend = "nftables" if rivals.backend == "nft" else "iptables"
    count = min(TOKENS, 500)  # more would take it longer than all the rest together
    rules = [
        f'rule family="ipv4" source address="{address(number)}" '
        'port port="5060" protocol="udp" accept'
        for number in range(count)
    ]
    told = rivals.firewalld(backend, rules)
    return count, told["add"]


def _fail2ban(rivals: Rivals) -> tuple[int, float]:
    """As many bans, each of which starts iptables for both actions of the jail."""
    rivals.start_fail2ban(sets=False)
    count = min(TOKENS, 500)
    begun = time.monotonic()
    rivals.ban(*[address(number) for number in range(count)])
    while rivals.count("-j REJECT") < 2 * count:
        if time.monotonic() - begun > PATIENCE:
            raise LabError(f"fail2ban set {rivals.count('-j REJECT')} rules in {PATIENCE:g} s")
        time.sleep(0.2)
    return count, time.monotonic() - begun


def _timed(work: Callable[[], Any]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun
