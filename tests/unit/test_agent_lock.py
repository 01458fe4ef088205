"""iptables' own lock, which the agent takes for both legacy families; no kernel."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ddiweb.deploy.errors import Retryable
from firewall.agent.config import Config
from firewall.agent.netfilter import Netfilter
from firewall.ruleset.types import Management
from lab.process import wait_until

pytestmark = pytest.mark.unit


#: An agent whose tool for IPv4 says who it is and takes its time.
_AGENT = """
import sys
from pathlib import Path
from firewall.agent.config import Config
from firewall.agent.netfilter import Netfilter
from firewall.ruleset.types import Management

folder = Path(sys.argv[1])
code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
tools = {"iptables-legacy-restore": (sys.executable, "-c", code, str(folder / "pid"))}
env = {"XTABLES_LOCKFILE": str(folder / "xtables.lock")}
management = Management(("198.51.100.0/24",), (22,))
config = Config(folder / "s", frozenset(), folder, "legacy", tools, env, management)
Netfilter(config).restore_both({4: "*filter\\nCOMMIT\\n"})
"""


def _free(lock: Path) -> bool:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_the_lock_of_a_killed_agent_is_held_until_its_tool_has_ended(tmp_path: Path) -> None:
    lock, told = tmp_path / "xtables.lock", tmp_path / "pid"
    agent = subprocess.Popen([sys.executable, "-c", _AGENT, str(tmp_path)])
    wait_until(lambda: told.exists() and bool(told.read_text()), 30, "the tool runs")
    agent.kill()
    agent.wait()
    try:
        assert not _free(lock)
    finally:
        os.kill(int(told.read_text()), signal.SIGKILL)
    wait_until(lambda: _free(lock), 10, "the lock is free")


def test_a_lock_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "missing" / "xtables.lock"
    lock_env = {"XTABLES_LOCKFILE": str(lock)}
    management = Management(("198.51.100.0/24",), (22,))
    config = Config(tmp_path / "s", frozenset(), tmp_path, "legacy", {}, lock_env, management)
    with pytest.raises(Retryable, match=str(lock)):
        Netfilter(config).restore_both({4: "*filter\nCOMMIT\n"})
