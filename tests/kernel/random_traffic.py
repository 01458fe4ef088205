"""Random intents and packets for the duel: near misses of tokens, and all that begins a flow."""

import random
import time
from dataclasses import replace
from typing import Any

from firewall.ruleset.packet import Packet
from firewall.ruleset.types import Intent, Service
from tests.kernel.bench import RTP, SIP, SITE, SRV, SSH, TLS, intent, token

IAX = 4569
#: NEW, REGREQ, and frames that open nothing: POKE, INVAL, LAGRQ with a bare DTMF type, voice.
FRAMES = [b"\x80\x01\0\0\0\0\0\x03\0\0" + end for end in (b"\x06\x01", b"\x06\x0d") * 3]
FRAMES += [FRAMES[0][:10] + end for end in (b"\x06\x1e", b"\x06\x0a", b"\x01\x01", b"\x06")]
FRAMES += [b"\0" + FRAMES[0][1:], b"\xff" + FRAMES[1][1:], b"\x06\x01", b""]
PEERS = {
    4: [f"203.0.113.{n}" for n in (20, 21, 66, 67, 100, 130)] + ["198.51.100.9", "8.8.8.8"],
    6: [f"2001:db8:113::{n}" for n in (20, 21, 66, 67, 100, 130)] + ["fe80::7", "2a00::9"],
}
NETWORKS = ["203.0.113.20/32", "203.0.113.64/30", "203.0.113.64/26", "198.51.100.0/24"]
NETWORKS += ["2001:db8:113::20/128", "2001:db8:113::64/126", "2001:db8:113::/64", "2a00::/16"]
PORTS = {"udp": [SIP] * 12 + [RTP, RTP + 1, RTP + 100] * 3 + [RTP - 1, RTP + 101, SIP - 1]}
PORTS["udp"] += [IAX] * 6 + [53, 67, 68, 546, 547, 40_000]
PORTS["tcp"] = [SSH, 8080, 443, 40_000, RTP]
FLAGS = [("syn",), ("ack",), ("syn", "ack"), ("fin", "ack"), ("rst",), ("psh", "ack"), ()]
FLAGS += [("fin", "psh", "urg"), ("syn", "fin")]
GATES = [("syn",)] * 6 + [("psh", "ack")] * 12 + [("ack",)] * 3 + FLAGS
SERVICES = [
    Service("tcp", 443, 443),
    Service("udp", 53, 53, "203.0.113.64/26"),
    Service("tcp", 39_999, 40_001, "2001:db8:113::/64"),
    Service("udp", 40_000, 40_000),
]
LONGEST_PAYLOAD = 4096 - 28  # of IPv4; of IPv6 20 less


class Random:
    """Random intents and packets of one seed."""

    def __init__(self, seed: str) -> None:
        self.dice = random.Random(seed)
        self._echoes = 0

    def intent(self) -> Intent:
        """Few or many tokens, vendors and bans that overlap."""
        dice = self.dice
        count = dice.choice((1, 3, 17, 60))
        return intent(
            tokens=tuple(token(mark) for mark in range(1, count + 1)),
            vendors=tuple(dice.sample(NETWORKS, dice.randint(0, 3))),
            bans=tuple(dice.sample(NETWORKS, dice.randint(0, 2))),
            management=tuple(dice.sample(NETWORKS, dice.randint(0, 1))),
            management_ports=dice.choice(((), (8080,))),
            revoked=tuple(range(900, 900 + dice.choice((0, 3, 40)))),
            **self._options(),
        )

    def _options(self) -> dict[str, Any]:
        dice = self.dice
        return {
            "tcp": dice.random() < 0.7,
            "tls_port": dice.choice((0, TLS, TLS)),
            "iax_port": dice.choice((0, IAX, IAX)),
            "throttle": dice.random() < 0.15,
            "open_rtp": dice.random() < 0.2,
            "countries": dice.choice(((), (), (), ("UT",))),
            "services": tuple(dice.sample(SERVICES, dice.choice((0, 0, 2, 4)))),
            "exceptions": tuple(dice.sample(NETWORKS, dice.choice((0, 0, 1)))),
        }

    def later(self, before: Intent) -> Intent:
        """Some tokens revoked, as `before` else but for the bans."""
        dice = self.dice
        gone = dice.sample(before.tokens, -(-len(before.tokens) // 2))
        return replace(
            before,
            generation=before.generation + 1,
            tokens=tuple(one for one in before.tokens if one not in gone),
            revoked=(*before.revoked, *(one.mark for one in gone)),
            bans=tuple(dice.sample(NETWORKS, dice.randint(0, 2))),
        )

    def packet(self, known: Intent) -> Packet:
        """One packet, in or out, that may continue what others began."""
        dice = self.dice
        family = dice.choice((4, 6))
        protocol = dice.choices(("udp", "tcp", "icmp", "other"), (66, 26, 7, 1))[0]
        values: dict[str, Any] = {
            "source": dice.choice(PEERS[family]),
            "destination": SRV[family],
            "source_port": dice.choice((5060, 5061, 67, 547, 20_000, 20_001)),
            "hop_limit": dice.choice((64, 255, 254, 1)),
        }
        if protocol == "icmp":
            return Packet(family, protocol, **values | self._icmp(family))
        if protocol == "tcp":
            return Packet(family, protocol, **values | self._tcp(known, family))
        if protocol == "other":
            return Packet(family, protocol, **values, payload=token(1).value.encode())
        values |= {"destination_port": dice.choice(PORTS["udp"]), "payload": self._payload(known)}
        if values["destination_port"] == IAX:
            values["payload"] = dice.choice(FRAMES) + values["payload"]
        if dice.random() < 0.12:
            return Packet(family, protocol, **values | {"way": "out", "payload": b"OPTIONS"})
        if dice.random() < 0.15:
            values["extra"] = self._extra(known, family)
            if SITE.encode() in values["extra"]:
                # Whose the flow is after two tokens in one packet is not promised.
                values["payload"] = values["payload"].replace(SITE.encode(), b"x")
        if dice.random() < 0.25:
            least = max(8, len(values["payload"]) // 100 // 8 * 8)
            values["fragment"] = dice.randrange(least, 1489, 8)
            values["missing"] = dice.random() < 0.2
        return Packet(family, protocol, **values)

    def _tcp(self, known: Intent, family: int) -> dict[str, Any]:
        dice = self.dice
        if dice.random() < 0.15:
            # A port of its own a packet: sockets stay, and one can't connect twice.
            return {"way": "out", "destination_port": dice.randrange(50_000, 60_000)}
        if dice.random() < 0.75:
            return self._gate(known, family)
        data = token(1).value.encode() if dice.random() < 0.3 else b""
        port = dice.choice(PORTS["tcp"])
        split = dice.choice((0, 0, 0, 8, 24))
        told = {"flags": dice.choice(FLAGS), "payload": data, "fragment": split}
        return told | {"destination_port": port}

    def _gate(self, known: Intent, family: int) -> dict[str, Any]:
        """A segment to a gate; those with data mostly, and SYNs mostly without."""
        dice = self.dice
        flags = dice.choice(GATES)
        rare = flags in {("ack",), ("syn",), ("syn", "ack")}
        data = b"" if rare and dice.random() < 0.85 else self._payload(known)
        if flags == ("syn", "ack"):
            data = b""  # whether conntrack knows it then depends on how far its connection came
        values = {"flags": flags, "payload": data, "destination_port": dice.choice((SIP, TLS))}
        if dice.random() < 0.1:
            values["extra"] = self._extra(known, family)
            if SITE.encode() in values["extra"]:
                values["payload"] = data.replace(SITE.encode(), b"x")
        if dice.random() < 0.15:
            least = max(8, len(values["payload"]) // 100 // 8 * 8)
            values |= {"fragment": dice.randrange(least, 1489, 8), "missing": dice.random() < 0.2}
        return values

    def _icmp(self, family: int) -> dict[str, Any]:
        dice = self.dice
        echo, reply = (8, 0) if family == 4 else (128, 129)
        values = {"source_port": dice.choice((1, 2, 3)), "payload": b"ping"}
        if dice.random() < 0.15:
            return values | {"way": "out", "icmp_type": echo}
        kinds = [*range(0, 19)] if family == 4 else [*range(1, 5), *range(128, 145), 255]
        kind = dice.choice([*kinds, reply, reply, 3, 3])
        if kind == echo:
            self._echoes += 1
            if self._echoes % 50 == 0:
                time.sleep(0.6)  # the firewall lets 100 a second through
        ports = (dice.choice((SIP, RTP, 53)), values["source_port"] + 20_000 - 1)
        return values | {"icmp_type": kind, "quotes": dice.choice((None, ports, ports))}

    def _payload(self, known: Intent) -> bytes:
        dice = self.dice
        secret = self._secret(known)
        near = dice.choice(
            (
                *[secret] * 7,
                "",
                "",
                SITE,
                secret[:-1],
                secret[:-1] + dice.choice("abcdefgz%\n"),
                secret.upper(),
                secret.replace("ddi", "ddj", 1),
                SITE + secret[:12:-1],
                secret[:20] + "\r\n " + secret[20:],
                "d" + secret + "7",
                "ddi-ddi-" + secret,
            )
        )
        head = dice.choice(
            ("REGISTER sip:x SIP/2.0\r\n", "SIP/2.0 200 OK\r\n", "SIP/", "sip/2.0", "\r\n", "")
        )
        body = (head + "a" * dice.choice((0, 0, 1, dice.randrange(1500))) + near).encode()
        edge = LONGEST_PAYLOAD + dice.choice((0, 1, -20, -19, dice.randint(-60, 60)))
        size = dice.choice((0, 0, 0, 0, 1, dice.randrange(1, 3000), edge, edge, 9000))
        return body + b"b" * max(0, size - len(body))

    def _secret(self, known: Intent) -> str:
        """A live token, a revoked one, or one that never was."""
        dead = [token(mark) for mark in known.revoked if mark < 900][:20]
        return self.dice.choice((*known.tokens, *dead, token(900))).value

    def _extra(self, known: Intent, family: int) -> bytes:
        dice = self.dice
        secret = self._secret(known).encode()
        if family == 4:
            return dice.choice((b"SIP/", b"x" * 36, secret[:36]))
        return dice.choice((b"SIP/SIP/SIP/SIP/", b"x" * 100, secret, secret[:-1], b"y" + secret))
