"""`python -m tests.kernel.confine UNIT -- COMMAND…`: run a command as the unit's [Service] would.

What systemd does with seccomp and capabilities is done here from the unit's own text, so that a
filter that is too tight is found without systemd: `SystemCallFilter`, `RestrictAddressFamilies`,
`RestrictNamespaces`, `MemoryDenyWriteExecute`, `RestrictRealtime`, `CapabilityBoundingSet`,
`NoNewPrivileges`. x86-64 alone; the groups of calls come from `systemd-analyze syscall-filter`.
"""

import ctypes
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

HEADER = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
_CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}
_FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
_NAMESPACES = {"mnt": 0x00020000, "cgroup": 0x02000000, "uts": 0x04000000, "ipc": 0x08000000,
               "user": 0x10000000, "pid": 0x20000000, "net": 0x40000000}  # fmt: skip
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06  # linux/bpf_common.h
_NUMBER, _ARCH, _X86_64 = 0, 4, 0xC000003E
_ARGUMENTS = 16
_BOUNDING_DROP, _NO_NEW_PRIVS, _SECCOMP, _FILTER = 24, 38, 22, 2
_WRITE, _EXECUTE = 2, 4  # PROT_WRITE, PROT_EXEC


def service(unit: Path) -> dict[str, list[str]]:
    """The unit's settings, each with its values in order."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"(?m)^(\w+)=(.*)$", unit.read_text(encoding="utf-8")):
        found.setdefault(name, []).append(value.strip())
    return found


def calls(lines: list[str]) -> set[str]:
    """The names that `SystemCallFilter=` lines let through: a list, then lists taken away."""
    kept: set[str] = set()
    for line in lines:
        names = {one for word in line.removeprefix("~").split() for one in _group(word)}
        kept = kept - names if line.startswith("~") else kept | names
    return kept


def _group(word: str) -> set[str]:
    if not word.startswith("@"):
        return {word}
    text = subprocess.run(
        ["/usr/bin/systemd-analyze", "syscall-filter", "--no-pager", word],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    words = [line.strip() for line in text.splitlines()[1:] if not line.strip().startswith("#")]
    return {one for inner in words if inner for one in _group(inner)}


def program(settings: dict[str, list[str]]) -> bytes:
    """The seccomp filter: no instruction jumps further than its own block."""
    numbers = {
        name: int(number)
        for name, number in re.findall(r"#define __NR_(\w+) (\d+)", HEADER.read_text())
    }
    code = [_step(_LOAD, _ARCH), _step(_EQUAL, _X86_64, 1, 0), _step(_RETURN, _KILL)]
    kinds = settings["RestrictNamespaces"][-1].split()
    banned = sum(bit for name, bit in _NAMESPACES.items() if name not in kinds)
    code += _if(numbers["clone3"], [], _ENOSYS)  # as systemd: its flags can't be looked at
    for name in ("unshare", "clone", "setns"):
        code += _bits(numbers[name], 1 if name == "setns" else 0, banned)
    code += _only(
        numbers["socket"], [_FAMILIES[n] for n in settings["RestrictAddressFamilies"][-1].split()]
    )
    for name in ("mmap", "mprotect", "pkey_mprotect"):
        code += _memory(numbers[name], both=name == "mmap")
    code.append(_step(_LOAD, _NUMBER))
    for name in sorted(calls(settings["SystemCallFilter"]) & numbers.keys()):
        code += [_step(_EQUAL, numbers[name], 0, 1), _step(_RETURN, _ALLOW)]
    return b"".join([*code, _step(_RETURN, _ERRNO | _EPERM)])


def _step(kind: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", kind, yes, no, value)


def _if(number: int, tests: list[bytes], error: int) -> list[bytes]:
    """For one call: `tests`, whose last one falls through to the refusal."""
    block = [*tests, _step(_RETURN, _ERRNO | error)]
    return [_step(_LOAD, _NUMBER), _step(_EQUAL, number, 0, len(block)), *block]


def _bits(number: int, argument: int, mask: int) -> list[bytes]:
    return _if(number, [_argument(argument), _step(_ANY_BIT, mask, 0, 1)], _EPERM)


def _only(number: int, allowed: list[int]) -> list[bytes]:
    tests = [_argument(0)]
    tests += [_step(_EQUAL, one, len(allowed) - at, 0) for at, one in enumerate(allowed)]
    return _if(number, tests, _EAFNOSUPPORT)


def _memory(number: int, *, both: bool) -> list[bytes]:
    tests = [_argument(2), _step(_ANY_BIT, _EXECUTE, 0, 3 if both else 1)]
    tests += [_argument(2), _step(_ANY_BIT, _WRITE, 0, 1)] if both else []
    return _if(number, tests, _EPERM)


def _argument(index: int) -> bytes:
    return _step(_LOAD, _ARGUMENTS + 8 * index)


def main() -> None:
    """Drop, filter, become the command."""
    unit, command = Path(sys.argv[1]), sys.argv[sys.argv.index("--") + 1 :]
    settings = service(unit)
    code = program(settings)
    libc = ctypes.CDLL(None, use_errno=True)
    kept = {_CAPABILITIES[name] for name in settings["CapabilityBoundingSet"][-1].split()}
    for capability in set(range(41)) - kept:
        libc.prctl(_BOUNDING_DROP, capability, 0, 0, 0)
    room = ctypes.create_string_buffer(code, len(code))
    table = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(room))
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_SECCOMP, _FILTER, table, 0, 0):
        raise OSError(ctypes.get_errno(), "the filter was not taken")
    os.execv(command[0], command)  # noqa: S606 - the test's own command


if __name__ == "__main__":
    main()
