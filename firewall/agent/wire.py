"""A typed packet as the bytes on the wire: headers, checksums, options, fragments."""

import ipaddress
import struct
from collections.abc import Iterator

from firewall.ruleset.packet import FLAGS, Packet

_NUMBERS = {4: {"udp": 17, "tcp": 6, "icmp": 1, "other": 253}}
_NUMBERS[6] = _NUMBERS[4] | {"icmp": 58}
_OPTION = 30  # without meaning; an IPv6 host skips it, an IPv4 host ignores it (RFC 4727)
_DESTINATION_OPTIONS, _FRAGMENT = 60, 44  # IPv6 next headers (RFC 8200)
_ERRORS = {4: {3, 4, 5, 11, 12}, 6: {1, 2, 3, 4}}


Ends = tuple[str, str, int, int]  # peer, host, peer's port, host's port


def number(packet: Packet) -> int:
    """The IP protocol number."""
    return _NUMBERS[packet.family][packet.protocol]


def frames(packet: Packet, serial: int, *, sequence: int = 0, answers: int = 0) -> list[bytes]:
    """The IP packets to send, in order. `serial` is the number that joins fragments.

    `sequence` and `answers` are TCP's sequence and acknowledgement numbers.
    """
    body = _body(packet, sequence, answers)
    if packet.family == 4:
        made = list(_frames4(packet, body, serial & 0xFFFF))
    else:
        made = list(_frames6(packet, body, serial & 0xFFFFFFFF))
    if packet.missing and len(made) > 1:
        del made[len(made) // 2]
    return made


def told(frame: bytes) -> tuple[Ends, int, int | None] | None:
    """What a TCP segment of the host's says of its conversation, by the two ends.

    Its next number, which the peer has to acknowledge; and the number that it awaits, if it
    acknowledges one. None for another protocol.
    """
    old = frame[0] >> 4 == 4
    at = (frame[0] & 15) * 4 if old else 40
    if frame[9 if old else 6] != _NUMBERS[4]["tcp"]:
        return None
    near, far = (frame[12:16], frame[16:20]) if old else (frame[8:24], frame[24:40])
    host, peer, sequence, awaited = struct.unpack_from(">HHII", frame, at)
    flags = frame[at + 13]
    syn, fin, ack = flags & 2, flags & 1, flags & 16
    size = len(frame) - at - (frame[at + 12] >> 4) * 4 + bool(syn) + fin
    ends = (str(ipaddress.ip_address(far)), str(ipaddress.ip_address(near)), peer, host)
    return ends, sequence + size & 0xFFFFFFFF, awaited if ack else None


def _body(packet: Packet, sequence: int, answers: int) -> bytes:
    mine, yours = packet.source_port, packet.destination_port
    if packet.protocol == "other":
        return packet.payload
    if packet.protocol == "udp":
        made = struct.pack(">HHHH", mine, yours, 8 + len(packet.payload), 0) + packet.payload
        # A checksum of 0 means "none" for UDP (RFC 768).
        return _put(made, 6, _checksum(_pseudo(packet, len(made)) + made) or 0xFFFF)
    if packet.protocol == "tcp":
        flags = sum(1 << FLAGS.index(flag) for flag in packet.flags)
        head = struct.pack(">HHIIBBHHH", mine, yours, sequence, answers, 5 << 4, flags, 64240, 0, 0)
        made = head + packet.payload
        return _put(made, 16, _checksum(_pseudo(packet, len(made)) + made))
    body = _icmp_body(packet)
    pseudo = _pseudo(packet, len(body)) if packet.family == 6 else b""
    return _put(body, 2, _checksum(pseudo + body))


def _icmp_body(packet: Packet) -> bytes:
    if packet.icmp_type in _ERRORS[packet.family]:
        host, peer = packet.quotes or (9, 9)
        told = struct.pack(">HHHH", host, peer, 8, 0)
        inner = _head4(packet, 28, 1, 0, 17) if packet.family == 4 else _head6(packet, 8, 17)
        # The datagram that it quotes went the other way.
        inner = _turned(packet.family, inner)
        return struct.pack(">BBHI", packet.icmp_type, 0, 0, 0) + inner + told + packet.payload
    head = struct.pack(">BBHHH", packet.icmp_type, 0, 0, packet.source_port, 1)
    return head + packet.payload


def _turned(family: int, head: bytes) -> bytes:
    at, size = (12, 4) if family == 4 else (8, 16)
    ends = head[at + size : at + 2 * size] + head[at : at + size]
    made = head[:at] + ends + head[at + 2 * size :]
    return _put(_put(made, 10, 0), 10, _checksum(_put(made, 10, 0))) if family == 4 else made


def _ends(packet: Packet) -> bytes:
    ends = (packet.source, packet.destination)
    return b"".join(ipaddress.ip_address(end).packed for end in ends)


def _pseudo(packet: Packet, length: int) -> bytes:
    form = ">BBH" if packet.family == 4 else ">IHBB"
    tail = (0, number(packet), length) if packet.family == 4 else (length, 0, 0, number(packet))
    return _ends(packet) + struct.pack(form, *tail)


def _head4(packet: Packet, length: int, serial: int, place: int, protocol: int) -> bytes:
    """`place`: the fragment's offset in units of 8 bytes, 0x2000 if more follow (RFC 791)."""
    options = b""
    if packet.extra and protocol == number(packet) and length != 28:
        options = bytes([_OPTION | 0x80, 2 + len(packet.extra)]) + packet.extra
        options = options.ljust(packet.extra_size, b"\x01")
    words = 5 + len(options) // 4
    head = struct.pack(
        ">BBHHHBBH", 4 << 4 | words, 0, length, serial, place, packet.hop_limit, protocol, 0
    )
    made = head + _ends(packet) + options
    return _put(made, 10, _checksum(made))


def _head6(packet: Packet, length: int, following: int) -> bytes:
    return struct.pack(">IHBB", 6 << 28, length, following, packet.hop_limit) + _ends(packet)


def _frames4(packet: Packet, body: bytes, serial: int) -> Iterator[bytes]:
    room = packet.fragment or max(len(body), 8)
    for at in range(0, max(len(body), 1), room):
        part = body[at : at + room]
        more = 0x2000 if at + room < len(body) else 0
        length = 20 + packet.extra_size + len(part)
        yield _head4(packet, length, serial, at // 8 | more, number(packet)) + part


def _frames6(packet: Packet, body: bytes, serial: int) -> Iterator[bytes]:
    following = number(packet)
    if packet.extra:
        option = bytes([_OPTION, len(packet.extra)]) + packet.extra
        gap = packet.extra_size - 2 - len(option)
        padding = b"" if gap == 0 else b"\x00" if gap == 1 else bytes([1, gap - 2]) + bytes(gap - 2)
        head = bytes([following, packet.extra_size // 8 - 1])
        body, following = head + option + padding + body, _DESTINATION_OPTIONS
    if not packet.fragment or packet.fragment >= len(body):
        yield _head6(packet, len(body), following) + body
        return
    for at in range(0, len(body), packet.fragment):
        part = body[at : at + packet.fragment]
        more = int(at + packet.fragment < len(body))
        split = struct.pack(">BBHI", following, 0, at | more, serial)
        yield _head6(packet, 8 + len(part), _FRAGMENT) + split + part


def _put(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + struct.pack(">H", value) + data[at + 2 :]


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\x00"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
