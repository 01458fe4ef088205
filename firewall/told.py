"""An answered question for a person: one sentence, both ways in words, and what to do about it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from firewall import words
from firewall.models import Question
from firewall.names import Name, Names, page


@dataclass(frozen=True)
class Step:
    """One rule of a way: as the kernel has it, and in words (the rule itself where it has none)."""

    raw: str
    text: str


@dataclass(frozen=True)
class Told:
    """What a page and the API show. `agreed` is None where only the oracle was asked."""

    passes: bool
    sentence: str
    agreed: bool | None
    kernel: tuple[Step, ...]
    oracle: tuple[str, ...]
    remedies: tuple[Name, ...]
    note: str


Make = Callable[[re.Match[str], Names], str]
#: The oracle's deciding words → the reason in a sentence. The first that fits.
_REASONS: tuple[tuple[str, Make], ...] = (
    (r"vendor (\S+)", lambda m, n: f"{m[1]} is a network of the vendor “{n.vendor(m[1]).text}”"),
    (r"exception (\S+)", lambda m, n: f"{m[1]} is an exception “{n.exception(m[1]).text}”"),
    (r"ban (\S+)", lambda m, n: f"{m[1]} is banned"),
    (r"management network (\S+)", lambda m, n: f"{m[1]} is {n.management(m[1]).text}"),
    (r"token of mark (\d+)", lambda m, n: f"it carries the token of “{n.mark(int(m[1])).text}”"),
    (r"site prefix found, now mark (\d+)",
     lambda m, n: f"it carries the token of “{n.mark(int(m[1])).text}”"),
    (r"flow proven by mark (\d+)",
     lambda m, n: f"its connection showed the token of “{n.mark(int(m[1])).text}” before"),
    (r"no token", lambda m, n: "it carries no token"),
    (r"no live token",
     lambda m, n: "it carries a token that is not accepted: mistyped, revoked, or not yet applied"),
    (r"the address showed no token lately",
     lambda m, n: "it is audio, and no phone at this address showed its token lately"),
    (r"nobody asked for it", lambda m, n: "nothing is open there, and nobody here asked for it"),
    (r"jailed by the agent", lambda m, n: "its address is banned for a while"),
    (r"not from a chosen country",
     lambda m, n: "it carries the token prefix, and its address is in no chosen country"),
    (r"throttled: ten tokens within 15 s",
     lambda m, n: "the classic throttle holds its address back"),
    (r"a SYN: .*", lambda m, n: "a handshake may begin, and ends only with a token"),
    (r"a service on (\S+) (\S+)", lambda m, n: f"the node lets {m[1]} port {m[2]} in"),
    (r"not a vendor", lambda m, n: "SIP over TCP is open to vendors alone"),
)  # fmt: skip
#: The oracle's deciding words → where to go from a dropped packet: text and page.
_REMEDIES: tuple[tuple[str, str, str], ...] = (
    (r"no token|not a vendor", "A vendor's address? Add its network to the trunk",
     "peers_trunk_changelist"),
    (r"no token|no live token", "A phone of yours? Compare its User-Agent with its token",
     "peers_peer_changelist"),
    (r"no token|not a vendor", "An office with desk phones? Make an exception",
     "firewall_addressexception_add"),
    (r"the address showed no token lately", "See whether the phone is registered",
     "live_contact_changelist"),
    (r"throttled.*|not from a chosen country", "Look at the node's firewall options",
     "deploy_node_changelist"),
    (r"ban .*|jailed.*", "Look at the bans", "firewall_ban_changelist"),
    (r"nobody asked for it", "A service of this host? Open its port",
     "firewall_allowedservice_add"),
    (r"nobody asked for it", "An administrator? Add a management network",
     "firewall_managementnetwork_add"),
)  # fmt: skip


def tell(asked: Question) -> Told:
    """Put an answer (not an error) into words."""
    names = Names(asked.node)
    found = asked.answer
    kernel, oracle = found["kernel"], found["oracle"]
    verdict = (kernel or oracle)["verdict"]
    passes, path = verdict == "accept", [str(one) for one in oracle["path"]]
    agreed = None if kernel is None else kernel["verdict"] == oracle["verdict"]
    sentence = f"{'It gets through' if passes else 'It is dropped'}: {_reason(path, names)}."
    if agreed is False:
        sentence = (
            f"The kernel says {_word(verdict)}, the independent check says "
            f"{_word(oracle['verdict'])}: that is a defect of ddiweb, please report it."
        )
    steps = [Step(raw, words.rule(raw, names) or raw) for raw in (kernel or {"path": ()})["path"]]
    way = tuple(_sentence(one, names) or _capital(one) for one in path)
    remedies = () if passes else tuple(_remedies(asked, path))
    return Told(passes, sentence, agreed, tuple(steps), way, remedies, str(found["note"]))


def _reason(path: list[str], names: Names) -> str:
    for said in reversed(path):
        found = _sentence(said, names)
        if found:
            return found[0].lower() + found[1:]
    return ", ".join(path)


def _sentence(said: str, names: Names) -> str:
    for pattern, make in _REASONS:
        found = re.fullmatch(pattern, said)
        if found:
            return _capital(make(found, names))
    return ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _word(verdict: str) -> str:
    return {"accept": "that it gets through", "drop": "that it is dropped"}.get(
        verdict, "both at once"
    )


def _remedies(asked: Question, path: list[str]) -> list[Name]:
    found = []
    if asked.peer is not None:
        text = f"See the tokens of “{asked.peer}”, or set the phone up again"
        found.append(Name(text, page("peers_peer_change", asked.peer.pk)))
    last = path[-1] if path else ""
    for pattern, text, name in _REMEDIES:
        url = page(name)
        if re.fullmatch(pattern, last) and url:
            if name == "peers_peer_changelist" and asked.peer is not None:
                continue
            found.append(Name(text, url))
    return found
