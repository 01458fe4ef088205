"""The agent's own configuration: a JSON file that only root writes, never editable by the panel."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ddiweb.deploy.errors import Refused
from firewall.agent.doors import own_file
from firewall.ruleset.types import Management
from firewall.ruleset.values import Invalid

_FAMILIES = ("iptables", "ip6tables")
_SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"


@dataclass(frozen=True)
class Config:
    """Where the agent listens, whom it answers, what it runs and who always gets in.

    `tools` maps a tool's name (`iptables-nft-restore`, `ipset`, …) to the argv that starts it; a
    tool that is not named is looked up in the system's folders.
    """

    socket: Path
    allowed_uids: frozenset[int]
    state_dir: Path
    backend: Literal["nft", "legacy"]
    tools: dict[str, tuple[str, ...]]
    tool_env: dict[str, str]
    management: Management
    confirm_first: bool = False  # the first rules of a host are a trial, too
    country_files: dict[Literal[4, 6], Path] = field(default_factory=dict)  # of tor-geoipdb

    @classmethod
    def load(cls, path: Path) -> "Config":
        """Read and check the file; raises `Refused` naming the field."""
        try:
            with path.open(encoding="utf-8") as file:
                own_file(file.fileno(), path)
                raw = json.load(file)
        except (OSError, ValueError) as error:
            raise Refused(f"configuration {path}: {error}") from None
        if not isinstance(raw, dict):
            raise Refused(f"configuration {path}: is not an object")
        known = {"socket", "allowed_uids", "state_dir", "backend", "tools", "tool_env"}
        known |= {"management_networks", "management_ports"}
        optional = {"tools", "tool_env", "confirm_first", "country_files"}
        for name in raw.keys() ^ known:
            if name not in optional:
                raise Invalid(name, "is unknown or missing", "see deploy/systemd/ddiweb-agent.json")
        if raw["backend"] not in ("nft", "legacy"):
            raise Invalid("backend", "is neither nft nor legacy", "name one of them")
        uids, tools = raw["allowed_uids"], raw.get("tools", {})
        if not isinstance(uids, list) or not all(type(uid) is int for uid in uids):
            raise Invalid("allowed_uids", "is not a list of numbers", "give user ids")
        for name in ("socket", "state_dir"):
            if not isinstance(raw[name], str):
                raise Invalid(name, "is not a path", "give an absolute path")
        if not isinstance(tools, dict) or not all(map(_argv, tools.values())):
            raise Invalid(
                "tools", "is not a list of words a name", 'give {"ipset": ["/sbin/ipset"]}'
            )
        if type(raw.get("confirm_first", False)) is not bool:
            raise Invalid("confirm_first", "is neither true nor false", "give one of them")
        env = raw.get("tool_env", {})
        if not isinstance(env, dict) or not all(isinstance(text, str) for text in env.values()):
            raise Invalid("tool_env", "is not a text a name", 'give {"LC_ALL": "C"}')
        return cls(
            socket=Path(raw["socket"]),
            allowed_uids=frozenset(uids),
            state_dir=Path(raw["state_dir"]),
            backend=raw["backend"],
            tools={name: tuple(argv) for name, argv in tools.items()},
            tool_env=env,
            management=_management(raw),
            confirm_first=raw.get("confirm_first", False),
            country_files=_country_files(raw.get("country_files", {})),
        )

    def argv(self, name: str) -> tuple[str, ...] | None:
        """How to start a tool, or None if it is nowhere."""
        if name in self.tools:
            return self.tools[name] or None  # an empty list: do without it
        found = shutil.which(name, path=_SYSTEM_PATH)
        return (found,) if found else None

    def missing(self) -> list[str]:
        """Needed tools that are nowhere."""
        needed = [
            f"{family}-{self.backend}-{part}"
            for family in _FAMILIES
            for part in ("restore", "save")
        ]
        return [name for name in [*needed, "ipset"] if self.argv(name) is None]


def _country_files(raw: Any) -> dict[Literal[4, 6], Path]:
    if not isinstance(raw, dict) or not raw.keys() <= {"4", "6"}:
        raise Invalid("country_files", "is not a path a family", 'give {"4": "…/geoip"}')
    if not all(isinstance(path, str) for path in raw.values()):
        raise Invalid("country_files", "is not a path a family", 'give {"4": "…/geoip"}')
    return {4 if key == "4" else 6: Path(path) for key, path in raw.items()}


def _argv(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _management(raw: dict[str, Any]) -> Management:
    for name in ("management_networks", "management_ports"):
        if not isinstance(raw[name], list):
            raise Invalid(name, "is not a list", "give a list")
    return Management(tuple(raw["management_networks"]), tuple(raw["management_ports"]))
