"""The small internet: who reaches whom, and that nothing of it is left behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.process import Process, start_time, wait_until
from lab.tools import FOLDER_VARIABLE, tool, tools_folder
from lab.world import World

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]
NOBODY = 65534
ECHO = textwrap.dedent("""
    import socket, sys
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", 9))
    print("bound", flush=True)
    while True:
        _, peer = server.recvfrom(100)
        server.sendto(peer[0].removeprefix("::ffff:").encode(), peer)
""")
ASK = textwrap.dedent("""
    import socket, sys
    family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
    client = socket.socket(family, socket.SOCK_DGRAM)
    client.settimeout(1)
    if len(sys.argv) > 2:
        client.bind((sys.argv[2], 0))
    try:
        client.sendto(b"who am I", (sys.argv[1], 9))
        print(client.recv(100).decode())
    except OSError as error:
        print(type(error).__name__)
""")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with World.start(folder) as world:
        servers = []
        for name in ("srv", "phone"):
            log = folder / f"{name}.log"
            servers.append(
                Process.start([sys.executable, "-u", "-c", ECHO], log=log, ns=world.ns[name])
            )
            wait_until(lambda log=log: "bound" in log.read_text(), 10, "the echo server")  # type: ignore[misc]
        yield world
        for server in servers:
            server.stop()


def seen_as(world: World, name: str, target: str, source: str = "") -> str:
    """Return the address that *target* sees when the namespace *name* talks to it."""
    argv = [sys.executable, "-c", ASK, target, *([source] if source else [])]
    return world.run(name, argv).stdout.strip()


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("vendor", "203.0.113.20"),
        ("vendor", "203.0.113.21"),
        ("attacker", "203.0.113.66"),
        ("attacker", "203.0.113.67"),
        ("admin", "203.0.113.100"),
    ],
)
def test_each_neighbour_reaches_the_server_over_ipv4(world: World, name: str, source: str) -> None:
    assert seen_as(world, name, "203.0.113.10", source) == source


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("vendor", "2001:db8:113::20"),
        ("vendor", "2001:db8:113::21"),
        ("attacker", "2001:db8:113::66"),
        ("admin", "2001:db8:113::100"),
    ],
)
def test_each_neighbour_reaches_the_server_over_ipv6(world: World, name: str, source: str) -> None:
    assert seen_as(world, name, "2001:db8:113::10", source) == source


def test_the_server_sees_the_phone_as_its_nat(world: World) -> None:
    assert seen_as(world, "phone", "203.0.113.10") == "203.0.113.30"


def test_nobody_reaches_the_phone_from_outside(world: World) -> None:
    assert seen_as(world, "srv", "10.77.0.2") == "OSError"


def test_ipv6_is_usable_as_soon_as_a_world_stands(tmp_path: Path) -> None:
    with World.start(tmp_path) as fresh:
        addresses = fresh.run("srv", tool("ip").line("-6", "addr", "show", "tentative")).stdout
    assert addresses == ""


@pytest.mark.parametrize(("name", "value"), [("srv", "0"), ("nat", "1"), ("attacker", "0")])
def test_only_the_nat_forwards(world: World, name: str, value: str) -> None:
    assert world.run(name, ["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout.strip() == value


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_rules_of_one_namespace_stay_in_it(world: World, backend: str) -> None:
    command = tool(f"iptables-{backend}")
    world.run("admin", command.line("-N", "MARK-ME"), env=command.env)
    save = tool(f"iptables-{backend}-save")
    world.run("srv", command.line("-L"), env=command.env)
    assert "MARK-ME" not in world.run("srv", save.argv, env=save.env).stdout


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_the_matches_of_the_token_rules_are_there(world: World, backend: str) -> None:
    for match in (
        "-m string --algo bm --string ddi-",
        "-m connmark --mark 1/1",
        "-m conntrack --ctstate ESTABLISHED --ctdir REPLY",
        "-m u32 --u32 8=1",
    ):
        command = tool(f"iptables-{backend}")
        line = command.line("-A", "OUTPUT", "-p", "udp", *match.split(), "-j", "ACCEPT")
        world.run("admin", line, env=command.env)


def test_ipset_and_conntrack_answer(world: World) -> None:
    world.run("admin", tool("ipset").line("create", "here", "hash:net"))
    assert "here" in world.run("admin", tool("ipset").line("list", "-n")).stdout
    world.run("admin", tool("conntrack").line("-L"))


def test_a_command_keeps_its_working_directory(world: World, tmp_path: Path) -> None:
    argv = world.argv("srv", ["pwd"], tmp_path)
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path)


def test_a_process_inside_the_world_can_go_to_another_namespace(world: World) -> None:
    code = (
        "import subprocess; from pathlib import Path; from lab.world import World;"
        f"world = World.attach(Path({str(world.folder)!r}));"
        "print(world.run('admin', ['cat', '/proc/net/fib_trie']).stdout)"
    )
    assert "203.0.113.100" in world.run("srv", [sys.executable, "-c", code]).stdout


def test_another_process_attaches_by_the_file(world: World) -> None:
    other = World.attach(world.folder / "world.json")
    assert other.ns == world.ns


def test_a_world_starts_in_less_than_two_seconds(tmp_path: Path) -> None:
    started = time.monotonic()
    with World.start(tmp_path):
        assert time.monotonic() - started < 2


def test_a_world_that_ended_cannot_be_attached_to(tmp_path: Path) -> None:
    with World.start(tmp_path) as ended:
        text = (tmp_path / "world.json").read_text()
    (tmp_path / "world.json").write_text(text)
    assert not ended.alive()
    with pytest.raises(LabError, match="has ended"):
        World.attach(tmp_path)


def test_a_folder_without_a_world_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="is missing"):
        World.attach(tmp_path)


def owner_of_a_world(
    folder: Path, *command: str, python: str = sys.executable
) -> subprocess.Popen[bytes]:
    """Start a process that owns a world with a daemon in it, which gave its parents up."""
    code = f"""
        import subprocess, time
        from pathlib import Path
        from lab.world import World
        folder = Path({str(folder)!r})
        world = World.start(folder)
        daemon = "cd {folder}; sleep 300 & echo $! > new; mv new daemon"
        world.run("srv", ["sh", "-c", 'setsid sh -c "$0" >/dev/null 2>&1 &', daemon])
        time.sleep(300)
    """
    variables = {
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder),
        FOLDER_VARIABLE: str(tools_folder()),
    }
    return subprocess.Popen(
        [*command, python, "-c", textwrap.dedent(code)], cwd=ROOT, env=os.environ | variables
    )


def processes_of(folder: Path) -> list[int]:
    """Return the world, its holders and the daemon in it."""
    wait_until((folder / "daemon").exists, 20, "the daemon in the world")
    text = json.loads((folder / "world.json").read_text())
    spaces = [entry["pid"] for entry in text["ns"].values()]
    return [text["pid"], *spaces, int((folder / "daemon").read_text())]


def assert_all_end(pids: list[int]) -> None:
    wait_until(lambda: all(start_time(pid) is None for pid in pids), 5, f"the end of {pids}")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_everything_ends_with_an_owner_that_is_ended(
    tmp_path: Path, number: signal.Signals
) -> None:
    owner = owner_of_a_world(tmp_path)
    pids = processes_of(tmp_path)
    owner.send_signal(number)
    owner.wait()
    assert_all_end(pids)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_everything_ends_with_a_world_that_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    owner = owner_of_a_world(tmp_path)
    pids = processes_of(tmp_path)
    os.kill(pids[0], number)
    try:
        assert_all_end(pids)
    finally:
        owner.kill()
        owner.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="this run is an ordinary user's already")
def test_an_ordinary_user_can_have_a_world() -> None:
    prefix = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    python = "/usr/bin/python3"  # whoever made the environment may have it in a closed folder
    probe = [*prefix, python, "-c", "import lab.world"]
    if subprocess.run(probe, cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("other users cannot read this checkout, or have no Python")
    folder = Path(tempfile.mkdtemp())
    os.chown(folder, NOBODY, NOBODY)
    owner = owner_of_a_world(folder, *prefix, python=python)
    try:
        pids = processes_of(folder)
        owner.kill()
        owner.wait()
        assert_all_end(pids)
    finally:
        owner.kill()
        owner.wait()
        shutil.rmtree(folder, ignore_errors=True)


def test_where_namespaces_are_switched_off_the_remedy_is_named() -> None:
    code = "from lab.world import available; print(available())"
    closed = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" -c "$1"'
    argv = ["unshare", "--user", "--map-root-user", "sh", "-c", closed, sys.executable, code]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "sysctl -w user.max_user_namespaces=10000" in done.stdout
