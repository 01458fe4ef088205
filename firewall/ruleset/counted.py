"""What each of our rules counts: which token, which revoked mark, why a packet was dropped.

Rules that only lead on to another rule count nothing of their own. A chain or a set that this
file does not name is counted under its own name, so a new gate shows up before it has words.
"""

import re
from collections.abc import Iterator

from firewall.ruleset.parse import Dump, SetDump

Subject = tuple[str, str]  # kind (token, revoked, drop, or a set's kind) and key
#: Kinds that every ruleset has; a set of addresses is a kind of its own (vendor, ban, …).
TOKEN, REVOKED, DROP = "token", "revoked", "drop"

_TOKEN = re.compile(r"--set-xmark 0x4([0-9a-f]{7})/0x7fffffff\Z")
_REVOKED = re.compile(r"\A-m connmark --mark 0x4([0-9a-f]{7})/0x7fffffff -j CONNMARK ")
_SET = re.compile(r"\bddi-([a-z]+)[46]\b")
_BY_SET = {"ban": "banned", "jail": "banned", "cut": "revoked"}
_BY_CHAIN = {
    "IN": "closed_port",
    "NEW": "no_token",
    "SIP": "unasked_response",
    "MARKED": "unasked_response",
    "VERDICT": "unknown_token",
    "RTP": "rtp_unproved",
    "TCP": "tcp_stranger",
    "LATE": "throttled",
}


def subject(chain: str, rule: str) -> Subject | None:
    """What a packet that meets this rule counts for; None for a rule that only leads on."""
    token = _TOKEN.search(rule)
    if token:
        return (TOKEN, str(int(token[1], 16))) if "--string" in rule else None
    revoked = _REVOKED.match(rule)
    if revoked:
        return REVOKED, str(int(revoked[1], 16))
    return (DROP, _reason(chain.partition("-")[2], rule)) if rule.endswith("-j DROP") else None


def _reason(stem: str, rule: str) -> str:
    found = _SET.search(rule)
    if found:
        return _BY_SET.get(found[1], found[1])
    if "-m length" in rule:
        return "too_long"
    if stem == "SYN":
        return "syn_rate" if "-m hashlimit" in rule else "syn_data"
    return _BY_CHAIN.get(stem, stem.lower())


def readings(dump: Dump) -> Iterator[tuple[str, str, int]]:
    """Chain, rule and packets of each own rule."""
    for name, rules in dump.own.items():
        for rule, packets in zip(rules, dump.packets[name], strict=True):
            yield name, rule, packets


def set_readings(sets: dict[str, SetDump]) -> Iterator[tuple[str, Subject, int]]:
    """Set, kind and member, packets: of sets whose members are counted by the kernel."""
    for name, one in sets.items():
        found = _SET.match(name)
        if found:
            for member, packets in one.packets.items():
                yield name, (found[1], member), packets
