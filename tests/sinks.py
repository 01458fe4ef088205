"""Hostile values into every renderer: what comes out holds the intended structure, or is refused.

`python -m tests.sinks --count 1000000` runs the whole proof; `NAME …` names sinks. Values are made
cheaply, by cutting hostile pieces into good ones, not by a search for the smallest.
"""

import argparse
import contextlib
import io
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from ddiweb.deploy.errors import Refused
from firewall.agent.log import log
from firewall.ruleset.build import build as build_rules
from firewall.ruleset.parse import parse_save, parse_sets
from firewall.ruleset.text import ipset_text, restore_text
from firewall.ruleset.values import redact
from peers.realtime import ami_message
from peers.realtime.facts import NodeFacts, NumberFacts, PeerFacts, Snapshot, StepFacts, TrunkFacts
from peers.realtime.render import render
from peers.realtime.static import Folders, StaticConfig, render_static
from tests.crowd import MANAGEMENT, Crowd
from tests.hostile import Hostile
from tests.meaning import meaning, typed

BATCHES = (50, 250, 1000)  # values in one intent
Sink = Callable[[Hostile, int], Counter[str]]  # AssertionError where a value broke out
_FAMILIES: tuple[Literal[4, 6], ...] = (4, 6)
_LINE = re.compile(r"\A(\*filter|COMMIT|:DDI\S+ - \[0:0\]|-A DDI[!-~ ]+|-I INPUT 1 -j DDI-IN)\Z")


def restore(hostile: Hostile, count: int) -> Counter[str]:
    """iptables-restore and ipset text of both families: the values, each in its place, no more."""
    crowd = Crowd(hostile).fill(count)
    wanted = crowd.intent
    for version in _FAMILIES:
        family = build_rules(wanted, MANAGEMENT, version, hostile.dice.choice("ab"))
        text, sets = restore_text(family), ipset_text(family)
        lines = text.split("\n")[:-1]
        assert all(map(_LINE.match, lines)), text
        assert len(lines) == sum(1 + len(chain.rules) for chain in family.chains) + 3, text
        dump = parse_save(text.replace("-I INPUT 1 ", "-A INPUT "))
        assert typed(dump) == {chain.name: list(chain.rules) for chain in family.chains}, text
        members = sum(len(one.members or ()) for one in family.sets)
        assert sets.isascii(), sets
        assert len(sets.splitlines()) == len(family.sets) + members, sets
        held = parse_sets(sets.replace(" -exist ", " "))
        assert held.keys() == {one.name for one in family.sets}, sets
        assert meaning(dump, held) == crowd.meaning(version), text
    return crowd.tally


def _snapshot(hostile: Hostile) -> Snapshot:
    dice = hostile.dice
    node = NodeFacts("lab", "ddi.lab")
    trunk = {
        "key": "trunk_1", "networks": ("203.0.113.20/32",), "username": "acme",
        "password": "s3cret", "country": "44", "prefix_in": "9", "prefix_out": "9",
        "from_domain": "sip.example.net", "transport": "udp",
    }  # fmt: skip
    peer = {
        "key": "peer_1", "username": "alice", "digest_ha1_md5": "0" * 32, "display_name": "Alice",
    }  # fmt: skip
    number = {"key": "442079460123", "trunk_key": "trunk_1", "display": "London"}
    step: dict[str, Any] = {"position": 1, "kind": "ring", "targets": ("peer_1",), "timeout": 30}
    facts: dict[str, Any] = dice.choice((trunk, peer, number, step))
    name = dice.choice(list(facts))
    if name == "password" and dice.random() < 0.98:
        name = "username"  # a password is rendered with scrypt, which takes its time
    value = facts[name]
    if isinstance(value, tuple):
        facts[name] = (hostile.text(value[0]),)
    else:
        facts[name] = hostile.text(value) if isinstance(value, str) else hostile.any(value)
    return Snapshot(
        node,
        (TrunkFacts(**trunk),),  # type: ignore[arg-type]
        (PeerFacts(**peer),),  # type: ignore[arg-type]
        (NumberFacts(**number, steps=(StepFacts(**step),)),),  # type: ignore[arg-type]
    )


_SPLITS = re.compile("[;^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|\\$[{\\[]")
_DIALLED = re.compile(r"\A[A-Za-z0-9_.&-]*\Z")


def rows(hostile: Hostile) -> None:
    """Realtime rows: no value that a driver, the dialplan or SQL's encoding reads in another way.

    Values are bound, never put into SQL (see the stores); what is left is what Asterisk's drivers
    do with them.
    """
    made = render(_snapshot(hostile))
    for row in made.rows:
        for name, value in row.as_dict().items():
            assert isinstance(value, str), (row.table, name)
            assert not _SPLITS.search(value), (row.table, name, value)
            assert value == value.strip(), (row.table, name, value)
            value.encode()
    for row in made.table("ddi_steps"):
        assert _DIALLED.match(row.as_dict()["target"]), row.as_dict()


def ami(hostile: Hostile) -> None:
    """AMI: one action with the fields that were given."""
    fields = {"Action": "Reload", "Module": "res_pjsip.so", "Variable": "x=1"}
    name = hostile.dice.choice(list(fields))
    if hostile.dice.random() < 0.3:
        fields = {hostile.text(key) if key == name else key: one for key, one in fields.items()}
    else:
        fields[name] = hostile.text(fields[name])
    messages = ami_message.Parser().feed(ami_message.build(fields))
    assert len(messages) == 1, messages
    assert dict(messages[0].fields) == fields, messages


_FOLDERS = Folders(*(Path("/srv/asterisk") / name for name in Folders.__dataclass_fields__))
_STATIC = StaticConfig(
    NodeFacts("lab", "ddi.lab"),
    _FOLDERS,
    "postgresql://asterisk:pw@db.example:5433/realtime",
    "s" * 32,
    Path("/var/lib/ddiweb/tls"),
    Path("/var/lib/ddiweb/sounds"),
)
_STATIC_LINES = {name: text.count("\n") for name, text in render_static(_STATIC).items()}


def static(hostile: Hostile) -> None:
    """Asterisk's configuration and dialplan files: as many lines and sections as ever."""
    name = hostile.dice.choice(
        ("ami_secret", "ami_user", "realtime_url", "realm", "tls", "sounds", "log")
    )
    if name == "realm":
        changed = replace(_STATIC, node=NodeFacts("lab", hostile.text("ddi.lab")))
    elif name == "log":
        changed = replace(
            _STATIC, folders=replace(_FOLDERS, log=Path(hostile.text("/srv/asterisk/log")))
        )
    elif name == "tls":
        changed = replace(_STATIC, tls=Path(hostile.text("/var/lib/ddiweb/tls")))
    elif name == "sounds":
        changed = replace(_STATIC, sounds=Path(hostile.text("/var/lib/ddiweb/sounds")))
    else:
        changed = replace(_STATIC, **{name: hostile.text(getattr(_STATIC, name))})
    rendered = render_static(changed)
    if rendered.keys() == _STATIC_LINES.keys():
        assert {name: text.count("\n") for name, text in rendered.items()} == _STATIC_LINES
    for text in rendered.values():
        assert not re.search("[\r\x00\x0b\x0c]|^#exec", text, re.MULTILINE)
        text.encode()


def logged(hostile: Hostile) -> None:
    """The agent's log: one line, one JSON object, the values that were given."""
    value = hostile.any("203.0.113.9")
    out = io.StringIO()
    with contextlib.redirect_stderr(out):
        log("request", error=value, verb=hostile.text("apply"))
    text = out.getvalue()
    assert text.endswith("\n"), text
    assert text.isascii() or "\N{HORIZONTAL ELLIPSIS}" in text, text
    assert len(text.splitlines()) == 1, text
    said = json.loads(text)
    assert said.keys() == {"at", "event", "error", "verb"}, text
    if isinstance(value, str):
        assert said["error"] == json.loads(redact(json.dumps(value))), text


def _each(sink: Callable[[Hostile], None]) -> Sink:
    """A sink of values that come one at a time; it raises Refused for one that it does not take."""

    def pour_each(hostile: Hostile, count: int) -> Counter[str]:
        tally = Counter[str]()
        for _ in range(count):
            try:
                sink(hostile)
                tally["taken"] += 1
            except Refused as error:
                assert str(error).strip(), "a refusal without a word"
                assert "\n" not in str(error), str(error)
                tally["refused"] += 1
        return tally

    return pour_each


SINKS: dict[str, Sink] = {"restore": restore}
SINKS |= {one.__name__: _each(one) for one in (rows, ami, static, logged)}


def pour(name: str, count: int, seed: int = 1) -> Counter[str]:
    """Give a sink `count` values; returns how many were taken and refused.

    Raises AssertionError at the first that broke out, or that was refused without a name.
    """
    hostile, tally = Hostile(seed), Counter[str]()
    while (left := count - tally.total()) > 0:
        tally += SINKS[name](hostile, min(left, hostile.dice.choice(BATCHES)))
    return tally


def main() -> int:
    """Run the named sinks, or all; one line each."""
    parser = argparse.ArgumentParser(prog="python -m tests.sinks", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SINKS), help=", ".join(SINKS))
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for name in given.names:
        begun = time.monotonic()
        told = dict(pour(name, given.count, given.seed))
        print(json.dumps({"sink": name, **told, "seconds": round(time.monotonic() - begun)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
