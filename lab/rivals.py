"""Other firewall programs, run from Debian's packages within a namespace: fail2ban, ufw, firewalld.

They are the packages' own code with the packages' own rules; only the paths of their files and of
the programs that they start are turned to a scratch folder and to the lab's tools. firewalld is run
by its core without D-Bus, for a namespace has no system bus.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.process import Namespace, Process, wait_until
from lab.tools import tool, tree
from lab.trees import loader

JAIL = "ddi-lab"
_SECONDS = 590.0
_JAIL = """[{jail}]
enabled = true
filter =
logpath = {folder}/empty.log
backend = polling
maxretry = 5
bantime = 1d
action = iptables-multiport[name={jail}, port="22,8080", protocol=tcp]
         iptables-allports[name={jail}-all, protocol=udp]
"""
_SET_JAIL = """[{jail}-set]
enabled = true
filter =
logpath = {folder}/empty.log
backend = polling
bantime = 1d
action = iptables-ipset-proto6[name={jail}-set, port="443", protocol=tcp]
"""
_UFW = """
import runpy, sys
import ufw.common
ufw.common.iptables_dir, ufw.common.do_checks = sys.argv[1], False
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
_FIREWALLD = """
import json, sys, time
from firewall import config
told = json.loads(sys.stdin.readline())
config.set_system_config_paths(told["etc"])
config.set_default_config_paths(told["lib"])
config.COMMANDS.update(told["commands"])
config.FIREWALLD_TEMPDIR = told["etc"]
from firewall.core.fw import Firewall
from firewall.core.rich import Rich_Rule
fw = Firewall()
fw._firewall_backend = told["backend"]
fw.start()
begun = time.monotonic()
for rule in told["rules"]:
    fw.zone.add_rule("public", Rich_Rule(rule_str=rule))
added = time.monotonic()
if told["reload"]:
    fw.reload()
print(json.dumps({"add": added - begun, "reload": time.monotonic() - added}))
"""
_DUMP = """
import nftables
nft = nftables.Nftables()
print(nft.cmd("list table inet firewalld")[1])
"""


@dataclass
class Rivals:
    """The programs in one namespace, with one iptables backend; scratch files in `folder`."""

    ns: Namespace | None
    folder: Path
    backend: str
    _server: Process | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.root = tree("rivals")
        self.bin = self.folder / "bin"
        self.bin.mkdir(parents=True)
        for family in ("iptables", "ip6tables"):
            for part in ("", "-restore", "-save"):
                self._wrap(f"{family}{part}", f"{family}-{self.backend}{part}")
        self._wrap("ipset", "ipset")

    def _wrap(self, name: str, wanted: str) -> None:
        command = tool(wanted)
        words = " ".join(f"'{word}'" for word in command.argv)
        sets = "".join(f"export {key}='{value}'\n" for key, value in command.env.items())
        file = self.bin / name
        file.write_text(f'#!/bin/sh\n{sets}exec {words} "$@"\n')
        file.chmod(0o755)

    def python(self, *arguments: str) -> list[str]:
        """The command that runs the tree's own Python, with the packages' modules."""
        found, folders = loader(self.root)
        library = ":".join(map(str, folders))
        program = str(self.root / "usr/bin/python3.11")
        start = [str(found), "--library-path", library, "--argv0", program, program]
        return [*start, "-P", *arguments]  # -P: firewalld's package has the name of one of ours

    @property
    def environment(self) -> dict[str, str]:
        """Where that Python finds its parts, and the programs that the packages start."""
        return {
            "PYTHONHOME": str(self.root / "usr"),
            "PYTHONPATH": str(self.root / "usr/lib/python3/dist-packages"),
            "GI_TYPELIB_PATH": ":".join(map(str, self.root.glob("usr/lib/*/girepository-1.0"))),
            "PATH": f"{self.bin}:{os.environ['PATH']}",
        }

    def run(self, *arguments: str, text: str = "") -> str:
        """Run the tree's Python to its end; returns its output, raises LabError if it fails."""
        line = self.python(*arguments)
        done = subprocess.run(
            self.ns.argv(line) if self.ns else line,
            env=os.environ | self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            raise LabError(f"{arguments[:2]}: {(done.stderr + done.stdout).strip()[-600:]}")
        return done.stdout

    # --- fail2ban ---------------------------------------------------------------------------

    def start_fail2ban(self, *, sets: bool = True) -> None:
        """Start its server with a jail of two iptables actions, and one that uses ipset."""
        home = self.folder / "fail2ban"
        shutil.copytree(self.root / "etc/fail2ban", home)
        for name in ("jail.d", "jail.conf"):
            path = home / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        jails = _JAIL + (_SET_JAIL if sets else "")
        (home / "jail.conf").write_text(jails.format(jail=JAIL, folder=home))
        # Its memory of bans lies outside of its configuration, and would outlive this folder.
        (home / "fail2ban.local").write_text(f"[Definition]\ndbfile = {home}/bans.sqlite3\n")
        (home / "empty.log").touch()
        self._server = Process.start(
            self.python(str(self.root / "usr/bin/fail2ban-server"), *self._where, "-f", "start"),
            self.environment,
            log=home / "server.log",
            ns=self.ns,
            name="fail2ban",
        )
        wait_until((home / "sock").exists, 30, "fail2ban runs")

    @property
    def _where(self) -> tuple[str, ...]:
        home = self.folder / "fail2ban"
        files = ("-s", f"{home}/sock", "-p", f"{home}/pid", "-c", str(home))
        return (*files, "--logtarget", f"{home}/f2b.log", "-x")

    def _client(self, *words: str) -> str:
        return self.run(str(self.root / "usr/bin/fail2ban-client"), *self._where, *words)

    def ban(self, *addresses: str, jail: str = JAIL) -> None:
        """Ban addresses, and wait until the actions have run."""
        for start in range(0, len(addresses), 1000):
            self._client("set", jail, "banip", *addresses[start : start + 1000])

    def _list(self) -> str:
        line = [str(self.bin / "iptables-save")]
        done = subprocess.run(
            self.ns.argv(line) if self.ns else line, capture_output=True, text=True, check=True
        )
        return done.stdout

    def count(self, words: str) -> int:
        """How many lines of iptables-save hold `words`."""
        return sum(words in line for line in self._list().splitlines())

    def stop_fail2ban(self) -> None:
        """Kill the server, so that its rules stay."""
        if self._server:
            self._server.stop_signal = signal.SIGKILL
            self._server.stop()
            self._server = None

    # --- ufw --------------------------------------------------------------------------------

    def ufw(self, *words: str) -> str:
        """`ufw …`, on the first call with a fresh configuration."""
        home = self.folder / "ufw"
        if not home.exists():
            for name in ("etc/ufw", "lib/ufw", "usr/share/ufw"):
                shutil.copytree(self.root / name, home / name)
            (home / "etc/default").mkdir(parents=True)
            shutil.copy(self.root / "etc/default/ufw", home / "etc/default/ufw")
            for file in (home / "usr/share/ufw/iptables").glob("*.rules"):
                shutil.copy(file, home / "etc/ufw")
            for file in (home / "usr/share/ufw").glob("*.rules"):
                shutil.copy(file, home / "etc/ufw")
            for name in ("ufw.conf", "before.init", "after.init"):
                shutil.copy(home / "usr/share/ufw" / name, home / "etc/ufw")
            functions = home / "lib/ufw/ufw-init-functions"
            functions.write_text(functions.read_text().replace('PATH="', f'PATH="{self.bin}:', 1))
        script = str(self.root / "usr/sbin/ufw")
        where = (f"--rootdir={home}", f"--datadir={home}")
        return self.run("-c", _UFW, str(self.bin), script, *where, *words)

    # --- firewalld --------------------------------------------------------------------------

    def firewalld(
        self, backend: str, rules: list[str] | None = None, *, reload: bool = False
    ) -> dict[str, float]:
        """Load its rules (`backend` is nftables or iptables) with rich rules in zone public.

        Returns the seconds that adding and reloading took.
        """
        etc = self.folder / f"firewalld-{backend}"
        shutil.copytree(self.root / "etc/firewalld", etc, dirs_exist_ok=True)
        conf = etc / "firewalld.conf"
        text = conf.read_text().replace("FirewallBackend=nftables", f"FirewallBackend={backend}")
        conf.write_text(text)
        names = ("iptables", "iptables-restore", "ip6tables", "ip6tables-restore", "ipset")
        told: dict[str, Any] = {
            "etc": str(etc),
            "lib": str(self.root / "usr/lib/firewalld"),
            "backend": backend,
            "rules": rules or [],
            "reload": reload,
            "commands": {
                {"iptables": "ipv4", "iptables-restore": "ipv4-restore", "ip6tables": "ipv6"}.get(
                    name, "ipv6-restore" if name == "ip6tables-restore" else name
                ): str(self.bin / name)
                for name in names
            },
        }
        out = self.run("-c", _FIREWALLD, text=json.dumps(told) + "\n")
        return dict(json.loads(out.splitlines()[-1]))

    def nft(self) -> str:
        """`nft list table inet firewalld`, by the library that firewalld uses."""
        return self.run("-c", _DUMP)


def timed(work: Any) -> float:
    """Seconds that `work()` takes."""
    begun = time.monotonic()
    work()
    return time.monotonic() - begun
