"""Hostile values into every renderer: what comes out holds the intended structure, or is refused.

`python -m tests.sinks --count 1000000` runs the whole proof; `NAME …` names sinks. Values are made
cheaply, by cutting hostile pieces into good ones, not by a search for the smallest.
"""

import argparse
import contextlib
import io
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ddiweb.deploy.errors import Refused
from firewall.agent.log import log
from firewall.ruleset.build import build as build_rules
from firewall.ruleset.parse import parse_save, parse_sets
from firewall.ruleset.text import ipset_text, restore_text
from firewall.ruleset.types import Intent, Management, redact
from peers.realtime import ami_message
from peers.realtime.facts import NodeFacts, NumberFacts, PeerFacts, Snapshot, StepFacts, TrunkFacts
from peers.realtime.render import render
from peers.realtime.static import Folders, StaticConfig, render_static

PIECES = (
    "\n", "\r", "\r\n", "\x00", "\t", "\x0b", "\x0c", "\x1b[2J", "\x85", "\u2028", "\u2029",
    "\u202e", "\ufeff", "\ud800", "\udfff", "é", "ß", "\uff41", "\u0661", "\N{PILE OF POO}",
    '"', "'", "`", "\\", "/", ";", "^3B", "^", ",", "&", "|", "=", "<", ">", "{", "}", "$",
    "${SHELL(id)}", "$[1+1]", "%", "%0d%0a", "#", "!", "!!", "*", "?", "~", "(", ")",
    " ", "  ", "-", "--", " -j ACCEPT",
    "\n-A INPUT -j ACCEPT\n", "\nCOMMIT\n*filter\n", "\n:INPUT ACCEPT [0:0]\n", "-m", "/0", "/1",
    "/33", "/129", ",0.0.0.0/0", "::", "0.0.0.0/0", "::/0", "::ffff:1.2.3.4/128", "010.", "0x7f",
    "1e3", "\nadd ddi-vendor4 0.0.0.0/1\n", "\ndestroy\n", "\r\nAction: Originate\r\n\r\n",
    "\r\nEvent: Cdr\r\n", ": ", "\n[general]\n", "]", "[", "=>", "\n#exec id\n", "@NAME@",
    "'; DROP TABLE ps_auths; --", "' OR 1=1 --", "=cmd()", "+1", "@x", "null", "True", "a" * 300,
)  # fmt: skip
SITE = "ddi-kmtest23-"
TOKEN = SITE + "abcdefghijklmnopqrstuvwxyz"
MANAGEMENT = Management(("203.0.113.100/32", "2001:db8:113::100/128"), (22,))


class Hostile:
    """Values of one seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def text(self, good: str) -> str:
        """`good` with hostile pieces cut into it, in place of it, or now and then as it is."""
        dice = self.dice
        for _ in range(dice.choice((0, 1, 1, 1, 1, 2, 3))):
            piece = dice.choice(PIECES)
            if dice.random() < 0.1:
                piece = chr(dice.randrange(0x110000))
            at = dice.choice((0, len(good), dice.randint(0, len(good))))
            end = min(len(good), at + dice.choice((0, 0, 1, len(piece))))
            good = piece if dice.random() < 0.1 else good[:at] + piece + good[end:]
        return good

    def any(self, good: Any) -> Any:
        """A value of any kind where `good` is expected."""
        if isinstance(good, str) and self.dice.random() < 0.9:
            return self.text(good)
        others = (None, True, -1, 0, 65_536, 1.5, float("inf"), 1 << 80, [], {}, b"x", good)
        return self.dice.choice((*others, self.text(str(good))))


Sink = Callable[[Hostile], None]  # raises Refused, or AssertionError where a value broke out


def _intent(hostile: Hostile) -> Intent:
    dice = hostile.dice
    raw: dict[str, Any] = {
        "generation": 1, "sip_port": 5060, "rtp_first": 10_000, "rtp_last": 10_100,
        "management": ["198.51.100.0/24"], "management_ports": [8080],
        "vendors": ["203.0.113.20/32", "2001:db8:113::20/128"], "bans": ["192.0.2.0/24"],
        "site_prefix": SITE, "tokens": [{"mark": 1, "value": TOKEN}], "revoked": [9],
    }  # fmt: skip
    raw = Intent(**{**raw, **_tuples(raw), "tokens": ()}).to_json() | raw
    name = dice.choice(list(raw))
    value = raw[name]
    if name == "tokens":
        part = dice.choice(("mark", "value"))
        raw[name] = [{**value[0], part: hostile.any(value[0][part])}]
    elif isinstance(value, list) and dice.random() < 0.9:
        raw[name] = [hostile.any(value[0] if value else "203.0.113.0/24")]
    else:
        raw[name] = hostile.any(value)
    return Intent.from_json(raw)


def _tuples(raw: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) for name, value in raw.items() if isinstance(value, list)}


_LINE = re.compile(r"\A(\*filter|COMMIT|:DDI\S+ - \[0:0\]|-A DDI[!-~ ]+|-I INPUT 1 -j DDI-IN)\Z")


def restore(hostile: Hostile) -> None:
    """iptables-restore text: the chains and rules that were built, and nothing beside them."""
    wanted = _intent(hostile)
    version: Any = hostile.dice.choice((4, 6))
    family = build_rules(wanted, MANAGEMENT, version)
    text = restore_text(family)
    lines = text.split("\n")[:-1]
    assert all(map(_LINE.match, lines)), text
    count = sum(1 + len(chain.rules) for chain in family.chains)
    assert len(lines) == count + 3, text
    found = parse_save(text).own
    assert found == {chain.name: list(chain.lines) for chain in family.chains}, text


def sets(hostile: Hostile) -> None:
    """ipset text: the sets that were built with their members."""
    wanted = _intent(hostile)
    version: Any = hostile.dice.choice((4, 6))
    family = build_rules(wanted, MANAGEMENT, version)
    text = ipset_text(family)
    found = parse_sets(text.replace(" -exist ", " "))
    assert found.keys() == {one.name for one in family.sets}, text
    members = sum(len(set(one.members or ())) for one in family.sets)
    lines = text.splitlines()
    assert text.isascii(), text
    assert len(lines) == len(family.sets) + members, text
    assert all(line.split()[0] in {"create", "add"} for line in lines), text


def _snapshot(hostile: Hostile) -> Snapshot:
    dice = hostile.dice
    node = NodeFacts("lab", "ddi.lab")
    trunk = {
        "key": "trunk_1", "networks": ("203.0.113.20/32",), "registrar_host": "sip.example.net",
        "username": "acme", "password": "s3cret", "outbound_host": "proxy.example.net",
        "country": "44",
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
)
_STATIC_LINES = {name: text.count("\n") for name, text in render_static(_STATIC).items()}


def static(hostile: Hostile) -> None:
    """Asterisk's configuration and dialplan files: as many lines and sections as ever."""
    name = hostile.dice.choice(("ami_secret", "ami_user", "realtime_url", "realm", "tls", "log"))
    if name == "realm":
        changed = replace(_STATIC, node=NodeFacts("lab", hostile.text("ddi.lab")))
    elif name == "log":
        changed = replace(
            _STATIC, folders=replace(_FOLDERS, log=Path(hostile.text("/srv/asterisk/log")))
        )
    elif name == "tls":
        changed = replace(_STATIC, tls=Path(hostile.text("/var/lib/ddiweb/tls")))
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


SINKS: dict[str, Sink] = {one.__name__: one for one in (restore, sets, rows, ami, static, logged)}


def pour(name: str, count: int, seed: int = 1) -> Counter[str]:
    """Give a sink `count` values; returns how many were taken and refused.

    Raises AssertionError at the first that broke out, or that was refused without a name.
    """
    hostile, sink, tally = Hostile(seed), SINKS[name], Counter[str]()
    for _ in range(count):
        try:
            sink(hostile)
            tally["taken"] += 1
        except Refused as error:
            assert str(error).strip(), "a refusal without a word"
            assert "\n" not in str(error), str(error)
            tally["refused"] += 1
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
