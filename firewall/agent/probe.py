"""The verb `probe`: what becomes of these packets, by a scratch kernel and by the oracle.

The scratch kernel lives in a child of a nursery, started afresh for each request: intent and
packets go in as JSON, verdicts come out, and it ends with the namespace. The host's rules are
never touched. Where no namespace can be had, the answer holds the oracle's verdicts alone and the
reason.
"""

import ipaddress
import json
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ddiweb.deploy.errors import DeployError, Refused, Retryable
from firewall.agent.config import Config
from firewall.agent.engine import Engine
from firewall.agent.netfilter import RestoreError, Version
from firewall.agent.nursery import Nursery, serve
from firewall.agent.own_net import enter
from firewall.agent.scratch import Scratch
from firewall.ruleset.memory import Memory
from firewall.ruleset.oracle import Oracle
from firewall.ruleset.packet import Packet, packets
from firewall.ruleset.types import Intent, Management
from firewall.ruleset.values import redact

SECONDS = 45  # for a whole request; a scratch load of 50,000 tokens takes some 10
_PATIENCE = 10  # seconds to wait for another probe; the client itself waits for 60 in all
_NURSERY = Nursery("firewall.agent.probe")


class Prober:
    """Answers `probe`, one at a time: each has a ruleset of its own to load."""

    def __init__(self, config: Config, engine: Engine) -> None:
        self._config = config
        self._engine = engine
        self._alone = threading.Lock()

    def probe(self, asked: Sequence[Packet], intent: Intent | None) -> dict[str, Any]:
        """Judge packets in order, each meeting what those before it left behind.

        Under `intent`, or else under the last good one. Raises `Refused` if there is none.
        """
        good, live = self._engine.live()
        wanted = intent or good
        if wanted is None:
            raise Refused("probe: no good ruleset is kept; apply one")
        found = {
            kind: {one.source for one in asked if _holds(live[kind], one.source)}
            for kind in ("seen", "cut", "jail")
        }
        memory = Memory(seen=set(found["seen"]), cut=set(found["cut"]), jail=set(found["jail"]))
        oracle = Oracle(wanted, self._config.management, memory, self._home(wanted))
        said = [oracle.judge(one) for one in asked]
        kernel, reason = self._kernel(asked, wanted, found)
        return {
            "oracle": [{"verdict": one.word, "path": list(one.path)} for one in said],
            "kernel": kernel,
            "reason": reason,
            "generation": wanted.generation,
            "digest": wanted.digest(),
            **{kind: sorted(addresses) for kind, addresses in found.items()},
        }

    def _home(self, intent: Intent) -> Callable[[str], bool]:
        """Whether an address is in one of the intent's countries."""

        def at_home(address: str) -> bool:
            version: Version = 6 if ":" in address else 4
            places = self._engine.atlas.places(intent.countries, version)
            return places is None or places.hold(address)

        return at_home

    def _kernel(
        self, asked: Sequence[Packet], intent: Intent, found: dict[str, set[str]]
    ) -> tuple[list[dict[str, Any]] | None, str]:
        if not self._alone.acquire(timeout=_PATIENCE):
            raise Retryable("the agent is busy with another probe")
        try:
            request = {
                "config": _config_json(self._config),
                "intent": intent.to_json(),
                "packets": [one.to_json() for one in asked],
                "sets": [
                    f"add -exist ddi-{kind}{6 if ':' in address else 4} {address}"
                    for kind, addresses in found.items()
                    for address in sorted(addresses)
                ],
                "ways": True,
            }
            answer = _ask(request)
        except Refused as error:
            return None, str(error)
        finally:
            self._alone.release()
        return answer, ""


def ask_kernel(config: Config, intent: Intent, asked: list[Packet]) -> list[str]:
    """The verdicts of a scratch kernel that knows `intent` alone; raises `Refused` (see `_ask`)."""
    packed = [one.to_json() for one in asked]
    request = {"config": _config_json(config), "intent": intent.to_json(), "packets": packed}
    return [one["verdict"] for one in _ask(request | {"sets": [], "ways": False})]


def _holds(members: Iterable[str], address: str) -> bool:
    """Whether an address, or a network around it, is a member of a set."""
    one = ipaddress.ip_address(address)
    return any(
        one in net for net in map(ipaddress.ip_network, members) if net.version == one.version
    )


def _ask(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Ask a child; raises `Refused` where it can't do its work."""
    try:
        answer = json.loads(_NURSERY.ask(json.dumps(request).encode(), SECONDS))
    except ValueError:
        raise Refused("scratch: ended with no answer") from None
    if "reason" in answer:
        raise Refused(answer["reason"])
    found: list[dict[str, Any]] = answer["answers"]
    return found


def _config_json(config: Config) -> dict[str, Any]:
    return {
        "backend": config.backend,
        "tools": {name: list(argv) for name, argv in config.tools.items()},
        "tool_env": config.tool_env,
        "networks": list(config.management.networks),
        "ports": list(config.management.ports),
        "country_files": {str(key): str(path) for key, path in config.country_files.items()},
    }


def _answer(raw: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    given = raw["config"]
    config = Config(
        socket=folder / "none",
        allowed_uids=frozenset(),
        state_dir=folder,
        backend=given["backend"],
        tools={name: tuple(argv) for name, argv in given["tools"].items()},
        tool_env=given["tool_env"],
        management=Management(tuple(given["networks"]), tuple(given["ports"])),
        country_files={
            (4 if key == "4" else 6): Path(path) for key, path in given["country_files"].items()
        },
    )
    asked = packets(raw["packets"])
    enter()
    scratch = Scratch(config, folder, _versions(asked))
    scratch.load(Intent.from_json(raw["intent"]))
    scratch.members(raw["sets"])
    if raw["ways"] or not scratch.sees:
        return [_witnessed(*scratch.trace(packet)) for packet in asked]
    return [{"verdict": word} for word in _verdicts(scratch, asked)]


def _verdicts(scratch: Scratch, asked: list[Packet]) -> list[str]:
    """The sockets' word for each packet; the counters must tell as many that passed in all.

    They are read once, not at every packet: that would be most of a staging's time.
    """
    before = scratch.accepted()
    passed = [scratch.send(packet) for packet in asked]
    if scratch.accepted() - before != sum(map(bool, passed)):
        return ["conflict"] * len(passed)
    return ["accept" if one else "drop" for one in passed]


def _versions(asked: Iterable[Packet]) -> list[Version]:
    return sorted({packet.family for packet in asked})


def _witnessed(passed: bool | None, counted: bool | None, way: list[str]) -> dict[str, Any]:
    """The counters' word and the sockets'; each may be silent, they may not differ."""
    words = {word for word in (passed, counted) if word is not None}
    verdict = "accept" if True in words else "drop"
    if len(words) > 1:
        verdict = "conflict"
    return {"verdict": verdict, "path": way or ["no rule of ours saw it"]}


def _reply(request: bytes) -> bytes:
    """Answer a request. A reason instead of answers: it can't be done here."""
    with tempfile.TemporaryDirectory(prefix="ddiweb-probe-") as folder:
        try:
            answer: dict[str, Any] = {"answers": _answer(json.loads(request), Path(folder))}
        except (DeployError, RestoreError, OSError) as error:
            answer = {"reason": redact(str(error))[:400]}
    return json.dumps(answer).encode()


if __name__ == "__main__":
    sys.exit(serve(_reply))
