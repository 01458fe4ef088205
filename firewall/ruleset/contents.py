"""What the oracle finds in a packet's bytes: a site's tokens, and how SIP and IAX2 begin."""

from collections.abc import Iterable

from firewall.ruleset.packet import Packet
from firewall.ruleset.types import Token


class Secrets:
    """The live tokens of a site, as a packet may show them."""

    def __init__(self, site_prefix: str, tokens: Iterable[Token]) -> None:
        self._site = site_prefix.encode()
        self._marks = {token.value.encode(): token.mark for token in tokens}

    def hinted(self, packet: Packet) -> bool:
        """Whether the packet holds the site prefix anywhere."""
        return self._site in packet.payload or self._site in packet.extra

    def mark(self, packet: Packet) -> int | None:
        """The mark of a live token that the packet holds anywhere, in the last one's place."""
        found = None
        for text in (packet.extra, packet.payload):
            at = text.find(self._site)
            while at >= 0:
                found = self._marks.get(text[at : at + len(self._site) + 26], found)
                at = text.find(self._site, at + 1)
        return found


def is_response(packet: Packet) -> bool:
    """Whether it begins as a SIP response does.

    An IPv6 packet with extension headers is never taken for one: they could disguise it.
    """
    plain = packet.protocol == "udp" and (packet.family == 4 or not packet.extra)
    return plain and packet.payload.startswith(b"SIP/")


def is_opening(packet: Packet) -> bool:
    """A full frame of type IAX, NEW or REGREQ (RFC 5456, 8.1.1 and 8.2); plain headers only."""
    frame = packet.payload
    plain = packet.family == 4 or not packet.extra
    opens = frame[10:12] in (b"\x06\x01", b"\x06\x0d")
    return plain and len(frame) >= 12 and frame[0] >= 0x80 and opens
