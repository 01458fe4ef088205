"""What a rule can ask of a TCP segment, and of how far its connection has come."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Fresh:
    """A packet of a connection that the other side has not answered yet."""

    def __str__(self) -> str:
        return "-m conntrack --ctstate NEW"


@dataclass(frozen=True, slots=True)
class Established:
    """A packet of a connection in which both sides were heard."""

    def __str__(self) -> str:
        return "-m conntrack --ctstate ESTABLISHED"


@dataclass(frozen=True, slots=True)
class Syn:
    """A TCP segment that asks for a connection; behind a match that names the protocol."""

    def __str__(self) -> str:
        return "-m tcp --tcp-flags FIN,SYN,RST,ACK SYN"


@dataclass(frozen=True, slots=True)
class TcpFlag:
    """A segment that asks for a connection (SYN and none of ACK, RST, FIN), or that resets one."""

    word: Literal["SYN", "RST"]

    def __str__(self) -> str:
        mask = "FIN,SYN,RST,ACK" if self.word == "SYN" else "RST"
        return f"-p tcp -m tcp --tcp-flags {mask} {self.word}"


@dataclass(frozen=True, slots=True)
class Laden:
    """A TCP segment with data; in IPv6 also one behind extension headers.

    Exact, by classic BPF from the IP header on: the whole length less both headers. No length
    match could tell, for options change the headers' size.
    """

    version: Literal[4, 6]

    def __str__(self) -> str:
        return f'-m bpf --bytecode "{LADEN[self.version]}"'


#: Opcode, jump if true, jump if false, operand (linux/filter.h).
LADEN = {
    4: ",".join(
        (
            "11",
            "177 0 0 0",  # X = 4 * (byte 0 & 15), the IP header's length
            "80 0 0 12",  # A = byte X + 12, TCP's data offset and reserved bits
            "116 0 0 4",  # A >>= 4
            "36 0 0 4",  # A *= 4, the TCP header's length
            "12 0 0 0",  # A += X
            "7 0 0 0",  # X = A
            "40 0 0 2",  # A = half word 2, the total length
            "28 0 0 0",  # A -= X, the data's length
            "21 0 1 0",  # if it is 0
            "6 0 0 0",  # no match
            "6 0 0 65535",  # else a match
        )
    ),
    6: ",".join(
        (
            "11",
            "48 0 0 6",  # A = byte 6, the next header
            "21 0 8 6",  # a match unless it is TCP
            "48 0 0 52",  # A = byte 40 + 12
            "116 0 0 4",
            "36 0 0 4",
            "7 0 0 0",
            "40 0 0 4",  # A = half word 4, the payload's length
            "28 0 0 0",
            "21 0 1 0",
            "6 0 0 0",
            "6 0 0 65535",
        )
    ),
}


@dataclass(frozen=True, slots=True)
class Eager:
    """One address (IPv6: one /64) has sent more than 100 at once, or more than one a second.

    A full table drops what it can't count, so it holds as many addresses as conntrack does
    connections by default. The kernel ignores other numbers under a name it knows.
    """

    version: Literal[4, 6]

    def __str__(self) -> str:
        mask = " --hashlimit-srcmask 64" if self.version == 6 else ""
        return (
            "-m hashlimit --hashlimit-above 1/sec --hashlimit-burst 100 --hashlimit-mode srcip "
            "--hashlimit-name ddi-syn1 --hashlimit-htable-max 262144 "
            f"--hashlimit-htable-expire 120000{mask}"
        )
