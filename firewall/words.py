"""The way of a packet in words: a rule's text as a sentence, with names in place of numbers.

What has no words here is shown as the rule's own text: nothing is left out.
"""

import re
from collections.abc import Callable

from firewall.names import Names

_CHAINS = {
    "DDI-IN": "the beginning",
    "IN": "everything that arrives",
    "MGMT": "who may manage",
    "SIP": "SIP over UDP",
    "TCP": "SIP over TCP",
    "RTP": "audio",
    "RTPOK": "audio that is let in",
    "MARKED": "connections of phones",
    "REV": "revoked tokens",
    "NEW": "strangers",
    "TOK": "tokens",
    "VERDICT": "the verdict on tokens",
    "SYN": "new TCP connections",
    "HELD": "TCP connections of phones",
    "THROTTLE": "the classic throttle",
    "LATE": "who was throttled",
    "IAX": "IAX2",
    "IAXHELD": "IAX2 connections of phones",
}
_SETS = {
    "vendor": "it comes from a vendor",
    "ban": "its address is banned",
    "seen": "its address showed a token lately",
    "cut": "its address belonged to a revoked token",
    "exempt": "its address is an exception",
    "jail": "its address is banned for a while",
}
_ENDS = {"ACCEPT": "let in", "DROP": "dropped", "RETURN": "go on"}
Make = Callable[[re.Match[str], Names], str]

_MATCHES: tuple[tuple[str, Make], ...] = (
    (r"-s (\S+)", lambda m, n: f"it comes from {m[1]}"),
    (r"-i lo", lambda m, n: "it comes from the host itself"),
    (r"-p udp -m udp(?: --sport (\S+))? --dport (\S+)", lambda m, n: f"it goes to UDP port {m[2]}"),
    (r"-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN|-m tcp --tcp-flags FIN,SYN,RST,ACK SYN",
     lambda m, n: "it asks for a TCP connection"),
    (r"(?:-p tcp )?-m tcp --tcp-flags RST RST", lambda m, n: "it resets a TCP connection"),
    (r'-m bpf --bytecode "[0-9, ]+"', lambda m, n: "it carries data"),
    (r"-m hashlimit --hashlimit-above (\d+)/\S+ (?:--hashlimit\S+ \S+ ?)*",
     lambda m, n: f"its address opens more than {m[1]} a second"),
    (r"-m recent --update --seconds (\d+) --hitcount (\d+) .*--rsource",
     lambda m, n: f"its address showed a token {m[2]} times within {m[1]} s"),
    (r"-m recent --set .*--rsource", lambda m, n: "its address is written down"),
    (r"-m conntrack --ctstate NEW", lambda m, n: "its connection was not answered yet"),
    (r"-m conntrack --ctstate ESTABLISHED(?! --ctdir)",
     lambda m, n: "its connection stands"),
    (r"-p tcp -m tcp --dport (\S+)", lambda m, n: f"it goes to TCP port {m[1]}"),
    (r"-p tcp -m multiport --dports (\S+)", lambda m, n: f"it goes to one of the TCP ports {m[1]}"),
    (r"-p (?:icmp|ipv6-icmp) -m icmp6? --icmp(?:v6)?-type (\d+)(?: -m hl --hl-eq 255)?",
     lambda m, n: f"it is ICMP of type {m[1]}"),
    (r"-m set --match-set ddi-([a-z]+)\S* src",
     lambda m, n: _SETS.get(m[1], f"its address is in the list “{m[1]}”")),
    (r"-m connmark --mark 0x40000000/0x40000000",
     lambda m, n: "its connection showed an accepted token"),
    (r"-m connmark ! --mark 0x40000000/0x40000000",
     lambda m, n: "its connection shows no accepted token"),
    (r"-m connmark --mark 0x20000000/0x7fffffff",
     lambda m, n: "its stream was let in before"),
    (r"-m connmark --mark 0x4([0-9a-f]{7})/0x7fffffff",
     lambda m, n: f"its connection belongs to {n.mark(int(m[1], 16)).text}"),
    (r"-m connmark --mark 0x4000000[0-9a-f]/0x4000000f",
     lambda m, n: "its connection showed one of these tokens"),
    (r"-m conntrack --ctstate ESTABLISHED --ctdir REPLY",
     lambda m, n: "it answers what the host sent first"),
    (r"-m conntrack --ctstate RELATED,ESTABLISHED",
     lambda m, n: "it belongs to a conversation of the host"),
    (r'-m u32 --u32 "\S*0x5349502f"', lambda m, n: "it begins like a SIP response"),
    (r'-m u32 --u32 "\S*=0x601,0x60d"', lambda m, n: "it asks for an IAX2 call or registration"),
    (r'-m string --string "ddi-[a-z2-7]{8}-" --algo \S+',
     lambda m, n: "it carries this node's token prefix"),
    (r'-m string --string "ddi-[a-z2-7]{8}-([a-z2-7]+)…?" --algo \S+',
     lambda m, n: f"it carries a token that begins with {m[1]}…"),
    (r"-m length --length 0:(\d+)", lambda m, n: f"it is at most {m[1]} bytes long"),
    (r"-m length ! --length 0:(\d+)", lambda m, n: f"it is longer than {m[1]} bytes"),
    (r"-m limit --limit (\d+)/sec(?:ond)? --limit-burst \d+",
     lambda m, n: f"there are at most {m[1]} such packets a second"),
)  # fmt: skip
_PATTERNS = [(re.compile(pattern + r"(?: |\Z)"), make) for pattern, make in _MATCHES]


def rule(line: str, names: Names) -> str:
    """One line of a kernel's path, ``CHAIN MATCHES ACTION``, as a sentence; else "" (no words)."""
    chain, _, rest = line.partition(" ")
    matches, _, action = rest.rpartition("-j ") if "-j " in rest else rest.rpartition("-g ")
    found = []
    while matches.strip():
        matches = matches.lstrip()
        for pattern, make in _PATTERNS:
            taken = pattern.match(matches)
            if taken:
                found.append(make(taken, names))
                matches = matches[taken.end() :]
                break
        else:
            return ""
    what = " and ".join(found) if found else "every packet that comes here"
    end = _end(action, names)
    place = _chain(chain)
    return f"{place[:1].upper()}{place[1:]}: {what} → {end}" if end else ""


def _end(action: str, names: Names) -> str:
    word = action.split(" ", maxsplit=1)[0]
    if word in _ENDS:
        return _ENDS[word]
    mark = re.match(r"CONNMARK --set-xmark 0x4([0-9a-f]{7})/0x7fffffff\Z", action)
    if mark:
        return f"the token is that of {names.mark(int(mark[1], 16)).text}"
    if action == "CONNMARK --set-xmark 0x20000000/0x7fffffff":
        return "its stream is let in from now on"
    if word == "CONNMARK":
        return "its connection is a stranger's from now on"
    if word == "SET":
        return "its address may send audio for a while"
    return f"look at {_chain(word)}" if word.startswith("DDI") else ""


def _chain(name: str) -> str:
    stem = name.partition("-")[2] if name != "DDI-IN" else name
    if stem in _CHAINS:
        return _CHAINS[stem]
    if re.match(r"T[a-z2-7x]", stem):
        return "tokens"
    return "revoked tokens" if re.match(r"REV[0-9a-f]\Z", stem) else stem.lower()
