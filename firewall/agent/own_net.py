"""A network namespace of one's own, to ask the kernel in.

It is made within a user namespace, so it needs no privilege over the host; only where user
namespaces are closed is CAP_SYS_ADMIN tried. It ends with its process.
"""

import contextlib
import ctypes
import os
import struct
from pathlib import Path

from ddiweb.deploy.errors import Refused

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000  # unshare(2)
_CAPABILITY_VERSION, _NET_ADMIN, _NET_RAW = 0x20080522, 12, 13  # linux/capability.h
_AMBIENT, _RAISE = 47, 2  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE


def enter() -> None:
    """Move this process into a network namespace of its own; raises `Refused` where it can't."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(_NEW_USER | _NEW_NET) == 0:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"0 {uid} 1"),
            ("gid_map", f"0 {gid} 1"),
        ):
            # Root without CAP_SETFCAP may not map itself (since Linux 5.12): it goes on as nobody.
            with contextlib.suppress(PermissionError):
                Path("/proc/self", name).write_text(text, encoding="ascii")
        _hand_on(libc)
        return
    closed = os.strerror(ctypes.get_errno())
    if libc.unshare(_NEW_NET) != 0:
        raise Refused(
            f"scratch: no user namespace ({closed}) and no network namespace "
            f"({os.strerror(ctypes.get_errno())}); allow user namespaces to the agent"
        )


def _hand_on(libc: ctypes.CDLL) -> None:
    """Let tools that are started from here have the capabilities too, though nobody starts them."""
    head = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    sets = ctypes.create_string_buffer(24)  # effective, permitted, inheritable; twice 32 bits
    libc.capget(head, sets)
    effective, permitted, _, *rest = struct.unpack("6I", sets.raw)
    libc.capset(head, struct.pack("6I", effective, permitted, permitted, *rest))
    for capability in (_NET_ADMIN, _NET_RAW):
        libc.prctl(_AMBIENT, _RAISE, capability, 0, 0)
