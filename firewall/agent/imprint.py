"""Has anybody changed the rules since? Asked of the kernel itself, in microseconds.

nft counts its transactions: an unchanged number means unchanged rules, of both families. The
legacy tables have no such number; their size, their count of rules and where each built-in chain
begins and ends stand in for it. A rule that gave way to another of the same size is only found
by a dump.
"""

import ctypes
import os
import socket
import struct

from firewall.agent.nlmessage import ACK, NETFILTER, ask, attributes

Imprint = tuple[int, ...]

_GETGEN = 10 << 8 | 16  # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN (linux/netfilter/nf_tables.h)
_GEN_ID = 1  # NFTA_GEN_ID
_GET_INFO = 64  # IPT_SO_GET_INFO and IP6T_SO_GET_INFO
_INFO = struct.Struct("32s13I")  # struct ipt_getinfo: name, hooks, entries, underflows, count, size
_GET_ENTRIES = 65  # IPT_SO_GET_ENTRIES and IP6T_SO_GET_ENTRIES
_ENTRIES = struct.Struct("32sI4x")  # struct ipt_get_entries, without the entries
_FAMILIES = ((socket.AF_INET, socket.IPPROTO_IP), (socket.AF_INET6, socket.IPPROTO_IPV6))


def imprint(backend: str) -> Imprint:
    """What changes with the rules of a backend; empty where it can't be known."""
    try:
        if backend == "nft":
            return (_generation(),)
        return tuple(number for family, level in _FAMILIES for number in _table(family, level))
    except OSError:
        return ()


def only_ours(before: Imprint, after: Imprint, count: int) -> bool:
    """Whether `count` transactions lie between two imprints; legacy does not count them."""
    if len(before) == len(after) == 1:
        return after[0] - before[0] == count
    return bool(before and after)


def _generation() -> int:
    for body in ask(NETFILTER, _GETGEN, struct.pack("=BBH", 0, 0, 0), ACK):
        if number := attributes(body[4:]).get(_GEN_ID):
            return int.from_bytes(number, "big")
    raise OSError(0, "the kernel told no generation of its rules")


def _table(family: int, level: int) -> Imprint:
    room = bytearray(_INFO.pack(b"filter", *[0] * 13))
    _getsockopt(family, level, _GET_INFO, room)
    return _INFO.unpack(room)[1:]


def _getsockopt(family: int, level: int, option: int, room: bytearray) -> None:
    """Fill `room`. Python's own getsockopt takes no argument in and 1 KiB out at most."""
    libc = ctypes.CDLL(None, use_errno=True)
    size = ctypes.c_uint(len(room))
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as asked:
        into = (ctypes.c_char * len(room)).from_buffer(room)
        failed = libc.getsockopt(asked.fileno(), level, option, into, ctypes.byref(size))
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def legacy_entries(version: int) -> bytearray:
    """A legacy filter table as the kernel holds it (struct ipt_get_entries); raises OSError."""
    family, level = _FAMILIES[version == 6]
    size = _table(family, level)[-1]
    room = bytearray(_ENTRIES.size + size)
    _ENTRIES.pack_into(room, 0, b"filter", size)
    _getsockopt(family, level, _GET_ENTRIES, room)
    return room
