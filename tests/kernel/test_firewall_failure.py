"""Restores that fail or lie, and kill -9: the old rules or the new ones; both backends."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from ddiweb.deploy.errors import DeployError, Retryable
from tests.kernel.bench import Bench, token

pytestmark = pytest.mark.kernel


@pytest.fixture
def lying(bench: Bench, tmp_path: Path) -> Any:
    """Start the agent with a tool replaced by a script; the true one is started afterwards."""

    def start(name: str, script: str) -> None:
        config = json.loads(bench.config().read_text())
        file = tmp_path / "tool.py"
        file.write_text(f"TRUE = {config['tools'][name]!r}\n{script}")
        bench.kill_agent()
        bench.start_agent(tools=config["tools"] | {name: [sys.executable, str(file)]})

    yield start
    bench.kill_agent()
    bench.start_agent()


def test_a_failing_restore_keeps_the_old_rules(bench: Bench, family: int, lying: Any) -> None:
    before = bench.rules(family)
    lying(bench.tables(family, "restore"), "import sys\nsys.exit('no memory')")
    with pytest.raises(DeployError, match="no memory"):
        bench.apply(tokens=(token(5),))
    assert bench.rules(family) == before


def test_a_restore_that_fails_in_the_second_family_undoes_the_first(
    bench: Bench, lying: Any
) -> None:
    before = bench.rules(4)
    lying(bench.tables(6, "restore"), "import sys\nsys.exit('no memory')")
    with pytest.raises(DeployError, match="last good rules are in force again"):
        bench.apply(tokens=(token(5),))
    assert bench.rules(4) == before


def test_a_restore_that_does_nothing_is_found_out_by_the_dump(bench: Bench, lying: Any) -> None:
    lying(bench.tables(4, "restore"), "import sys\nsys.stdin.read()")
    with pytest.raises(DeployError, match="read back"):
        bench.apply(tokens=(token(5),))
    assert bench.channel.status()["in_force"] is True


def test_a_restore_that_slips_a_rule_in_is_found_out_and_put_back(bench: Bench, lying: Any) -> None:
    script = (
        "import subprocess, sys\n"
        "text = sys.stdin.read()\n"
        "text = text.replace('COMMIT', '-I DDIa-SIP 1 -j ACCEPT\\nCOMMIT')\n"
        "sys.exit(subprocess.run([*TRUE, *sys.argv[1:]], input=text, text=True).returncode)\n"
    )
    lying(bench.tables(4, "restore"), script)
    with pytest.raises(DeployError, match="read back"):
        bench.apply(tokens=(token(5),))


def test_a_killed_agent_brings_the_last_good_rules_back_at_its_start(
    bench: Bench, family: int
) -> None:
    bench.apply(tokens=(token(3), token(4)))
    before = bench.rules(family)
    bench.kill_agent()
    bench.run(bench.tables(family, "restore"), text="*filter\nCOMMIT\n")
    bench.start_agent()
    assert (bench.rules(family), bench.channel.status()["in_force"]) == (before, True)


DIES = """
import os, subprocess, sys
text = sys.stdin.read()
if {late}:
    subprocess.run([*TRUE, *sys.argv[1:]], input=text, text=True, check=False)
os.kill(os.getppid(), 9)
"""
DIES_IN_IPSET = """
import os, subprocess, sys
text = sys.stdin.read()
restores = sys.argv[1] == "restore"
if {late} or not restores:
    done = subprocess.run([*TRUE, *sys.argv[1:]], input=text, text=True, check=False)
if restores:
    os.kill(os.getppid(), 9)
sys.exit(done.returncode)
"""


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["ipset", "v4", "v6"])
def test_kill_9_at_each_step_leaves_old_or_new_and_converges(
    bench: Bench, lying: Any, step: str, late: bool
) -> None:
    wanted = {"tokens": tuple(token(mark) for mark in range(10, 60)), "vendors": ()}
    old = {family: bench.rules(family) for family in (4, 6)}
    bench.apply(**wanted)
    new = {family: bench.rules(family) for family in (4, 6)}
    bench.apply()
    bench.run("ipset", "destroy", _other_sets(bench), check=False)
    name = step if step == "ipset" else bench.tables(int(step[1]), "restore")
    lying(name, DIES.format(late=late) if step != "ipset" else DIES_IN_IPSET.format(late=late))
    with pytest.raises(Retryable):
        bench.apply(**wanted)
    between = {family: bench.rules(family) for family in (4, 6)}
    assert bench.agent and bench.agent.wait(5) == -signal.SIGKILL
    bench.start_agent()
    at_start = bench.channel.status()["in_force"]
    bench.apply(**wanted)
    ended = {family: bench.rules(family) for family in (4, 6)}
    assert all(between[family] in {old[family], new[family]} for family in (4, 6))
    assert (at_start, ended) == (True, new)


def _other_sets(bench: Bench) -> str:
    """A set that the plain intent does not use, so that the next apply must make it again."""
    used = bench.rules(4) + bench.rules(6)
    names = bench.run("ipset", "list", "-n").split()
    return next((name for name in names if name not in used), "none")
