"""A real name server on loopback UDP, with answers that a test chooses."""

import socket
import threading
from collections import Counter
from types import TracebackType

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

#: What a name server may do instead of answering.
FAULTS = ("nxdomain", "servfail", "refused", "silent", "garbage", "empty")


class NameServer:
    """Answers A, AAAA and SRV from ``zone``; a name that is not there does not exist."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.zone: dict[tuple[str, str], list[str]] = {}
        self.faults: dict[tuple[str, str], str] = {}
        self.asked: Counter[str] = Counter()
        self.ttl = 60

    @property
    def address(self) -> str:
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    def __enter__(self) -> "NameServer":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # An empty packet ends the thread; closing alone would not wake it.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.sendto(b"", self._socket.getsockname())
        self._thread.join(timeout=5)
        self._socket.close()

    def says(self, name: str, *addresses: str) -> None:
        """Let ``name`` lead to these addresses and to no others."""
        self.zone[name, "A"] = [one for one in addresses if ":" not in one]
        self.zone[name, "AAAA"] = [one for one in addresses if ":" in one]
        self.faults = {key: fault for key, fault in self.faults.items() if key[0] != name}

    def serves(self, domain: str, *servers: str) -> None:
        """Let the SRV record of ``domain`` name ``priority weight port target`` each."""
        self.zone[f"_sip._udp.{domain}", "SRV"] = list(servers)

    def fails(self, name: str, fault: str, *kinds: str) -> None:
        assert fault in FAULTS
        for kind in kinds or ("A", "AAAA", "SRV"):
            self.faults[name, kind] = fault

    def _serve(self) -> None:
        while True:
            packet, client = self._socket.recvfrom(4096)
            if not packet:
                return
            answer = self._answer(packet)
            if answer:
                self._socket.sendto(answer, client)

    def _answer(self, packet: bytes) -> bytes | None:
        try:
            query = dns.message.from_wire(packet)
        except dns.exception.DNSException:
            return None
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked[name] += 1
        fault = self.faults.get((name, kind), "")
        if fault == "silent":
            return None
        if fault == "garbage":
            return packet[:2] + b"\x84\x00" + b"\xff" * 40
        response = dns.message.make_response(query, recursion_available=True)
        records = self.zone.get((name, kind), [])
        if fault in {"servfail", "refused", "nxdomain"}:
            response.set_rcode(dns.rcode.from_text(fault))
        elif not any(known == name for known, _ in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif records and fault != "empty":
            response.answer = [
                dns.rrset.from_text_list(question.name, self.ttl, "IN", kind, records)
            ]
        return response.to_wire(max_size=65_535)
