"""One size of `bench.peers`, in a process of its own: prints its figures as JSON."""

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django

django.setup()

# Behind it, for models can not be imported before.
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from ddiweb.deploy import pipeline  # noqa: E402
from ddiweb.deploy.models import Node  # noqa: E402
from ddiweb.deploy.services import request_deployment  # noqa: E402
from ddiweb.deploy.states import State  # noqa: E402
from lab.pbx import Pbx  # noqa: E402
from lab.vendor import SERVER  # noqa: E402
from lab.world import World  # noqa: E402
from peers import passwords  # noqa: E402
from peers.models import Peer  # noqa: E402
from peers.realtime.facts import NodeFacts  # noqa: E402
from peers.realtime.store import open_store  # noqa: E402
from peers.realtime.target import RealtimeTarget  # noqa: E402

PASSWORD = "correct-horse-battery"
REALM = "ddi.lab"
#: Phones of the apply of many.
MORE = 10_000
_ROOT = Path(__file__).resolve().parent.parent


def edits(size: int) -> int:
    """How often an edit is measured: each is followed by its whole deployment."""
    return 20 if size <= 1_000 else 10


def fill(size: int) -> Node:
    """A node with so many phones, written without history, as they stood for long."""
    node = Node.objects.create(slug="bench", name="Bench", realm=REALM, public_ipv4=SERVER)
    Peer.objects.bulk_create((made(node, f"phone{n}") for n in range(size)), batch_size=500)
    return node


def made(node: Node, name: str) -> Peer:
    """A phone that is not saved yet."""
    peer = Peer(node=node, name=name, username=name)
    passwords.put(peer, PASSWORD)
    return peer


def deploy(node: Node, target: RealtimeTarget) -> None:
    """Run what waits for the node to its end."""
    row = request_deployment(node, "bench", bump=False)
    state = pipeline.run(row.pk, [target])
    assert state == State.DONE, state


@contextmanager
def phone(world: World) -> Iterator[Callable[[str], int]]:
    """A SIP socket that registers by name; gives the status."""
    argv = [sys.executable, "-m", "lab.rawsip", f"--server={SERVER}", "--timeout=1"]
    with subprocess.Popen(
        world.argv("attacker", argv, _ROOT), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, cwd=_ROOT,
    ) as child:  # fmt: skip
        assert child.stdin
        assert child.stdout
        told, heard = child.stdin, child.stdout
        heard.readline()

        def register(name: str) -> int:
            wish = {"do": "register", "user": name, "password": PASSWORD}
            told.write(json.dumps(wish) + "\n")
            told.flush()
            return int(json.loads(heard.readline())["status"])

        try:
            yield register
        finally:
            told.close()
            child.wait(10)


def edit(
    node: Node, target: RealtimeTarget, register: Callable[[str], int], name: str
) -> tuple[float, float, float]:
    """Add a phone: seconds until it registers, of the whole deployment, and of its CPU."""
    assert register(name) != 200

    def work() -> None:
        with transaction.atomic():
            made(node, name).save()
            request_deployment(node, "bench")
        deploy(node, target)
        connection.close()

    begun, cpu = time.monotonic(), time.process_time()
    worker = threading.Thread(target=work)
    worker.start()
    while register(name) != 200:
        assert time.monotonic() - begun < 300, "not in force after five minutes"
    took = time.monotonic() - begun
    worker.join()
    return took, time.monotonic() - begun, time.process_time() - cpu


def more(node: Node, target: RealtimeTarget, register: Callable[[str], int]) -> float:
    """Add many phones at once: seconds from the commit until the last of them registers."""
    phones = [made(node, f"more{n}") for n in range(MORE)]
    with transaction.atomic():
        Peer.objects.bulk_create(phones, batch_size=500)
        request_deployment(node, "bench")
    begun = time.monotonic()
    deploy(node, target)
    assert register(f"more{MORE - 1}") == 200
    return time.monotonic() - begun


def measure(folder: Path, size: int) -> dict[str, Any]:
    """All figures of one size."""
    call_command("migrate", verbosity=0)
    url = os.environ["DDIWEB_REALTIME_URL"]
    store = open_store(url)
    store.create_schema()
    with (
        World.start(folder / "world") as world,
        Pbx.at(folder / "pbx", world.ns["srv"], url, NodeFacts("bench", REALM)) as pbx,
        phone(world) as register,
    ):
        target = RealtimeTarget(store, ami=pbx.client)
        node = fill(size)
        begun = time.monotonic()
        request_deployment(node, "first")
        deploy(node, target)
        first = time.monotonic() - begun
        assert register("phone0") == 200
        found = [edit(node, target, register, f"new{n}") for n in range(edits(size))]
        apply = more(node, target, register)
        status = Path(f"/proc/{pbx.pid}/status").read_text()
    return {
        "first": first,
        "more": MORE,
        "apply": apply,
        "edits": [one[0] for one in found],
        "whole": [one[1] for one in found],
        "cpu": [one[2] for one in found],
        "worker": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "asterisk": int(status.split("VmRSS:")[1].split()[0]) / 1024,
    }


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]))))
