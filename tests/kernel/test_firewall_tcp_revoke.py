"""SIP over TCP and TLS: a revoked token ends its connections and what they let in."""

import pytest

from tests.kernel.bench import PHONE, RTP, SIP, SRV, TLS, Bench, register, token
from tests.kernel.tcp import OPEN, Caller, hello, taken

pytestmark = pytest.mark.kernel
FIRST, SECOND = token(1).value, token(2).value


def _got(gate: Bench, family: int, port: int, *callers: Caller) -> dict[int, bytes]:
    """What came of these callers. The half-open connections of an earlier test end late: once their
    address shows a token, the kernel's next SYN-ACK completes one."""
    own = {caller.port for caller in callers}
    return {at: data for at, data in taken(gate, family, port).items() if at in own}


def test_a_revoked_token_cuts_its_connection_at_once(gate: Bench, family: int) -> None:
    calls = [Caller(gate, family, TLS), Caller(gate, family, SIP), Caller(gate, family, TLS)]
    names = (FIRST, FIRST, SECOND)
    for caller, secret, data in zip(calls, names, (hello, register, hello), strict=True):
        caller.send(data(secret))
    assert len(_got(gate, family, TLS, *calls)) == 2
    assert len(_got(gate, family, SIP, *calls)) == 1
    gate.apply(**OPEN, tokens=(token(2),), revoked=(1,))
    for caller in calls:
        caller.send(b"more")
    assert _got(gate, family, TLS, *calls) == {calls[0].port: b"", calls[2].port: b"more"}
    assert _got(gate, family, SIP, *calls) == {calls[1].port: b""}


def test_a_connection_that_was_silent_when_it_was_revoked_never_speaks_again(
    gate: Bench, family: int
) -> None:
    """Its mark leaves the list of revoked ones at the next edit, its conntrack entry in days."""
    calls = [Caller(gate, family, TLS), Caller(gate, family, SIP)]
    for caller, data in zip(calls, (hello, register), strict=True):
        caller.send(data(FIRST))
    assert len(_got(gate, family, TLS, *calls)) == len(_got(gate, family, SIP, *calls)) == 1
    gate.apply(**OPEN, tokens=(token(2),), revoked=(1,))
    gate.apply(**OPEN, tokens=(token(2),))
    for caller in calls:
        caller.send(b"more")
    assert _got(gate, family, TLS, *calls) == {calls[0].port: b""}
    assert _got(gate, family, SIP, *calls) == {calls[1].port: b""}


def test_the_audio_of_a_revoked_phone_with_tls_alone_ends(gate: Bench, family: int) -> None:
    phone = gate.hands["attacker"].udp(family, PHONE[family])
    caller = Caller(gate, family, TLS)
    caller.send(hello(FIRST))
    assert len(_got(gate, family, TLS, caller)) == 1
    phone.send(b"before", SRV[family], RTP)
    gate.apply(**OPEN, tokens=(token(2),), revoked=(1,))
    phone.send(b"after", SRV[family], RTP)
    assert gate.arrived(family, "rtp") == [b"before"]


def test_the_audio_of_a_revoked_phone_ends_though_it_closed_its_connection_before(
    gate: Bench, family: int
) -> None:
    """The kernel forgets a closed connection; the agent, asked for places, had noted it."""
    phone = gate.hands["attacker"].udp(family, PHONE[family])
    caller = Caller(gate, family, TLS)
    caller.send(hello(FIRST))
    assert len(_got(gate, family, TLS, caller)) == 1
    gate.channel.places()
    phone.send(b"before", SRV[family], RTP)
    caller.close()
    gate.run("conntrack", "-D", "-p", "tcp", "-f", f"ipv{family}", "-s", PHONE[family])
    gate.apply(**OPEN, tokens=(token(2),), revoked=(1,))
    phone.send(b"after", SRV[family], RTP)
    assert gate.arrived(family, "rtp") == [b"before"]


def test_the_audio_of_a_revoked_phone_ends_though_it_began_its_connection_anew(
    gate: Bench, family: int
) -> None:
    """A SYN on its own addresses and ports takes the proof from a flow, not whose it was."""
    phone = gate.hands["attacker"].udp(family, PHONE[family])
    caller = Caller(gate, family, TLS)
    caller.send(hello(FIRST))
    assert len(_got(gate, family, TLS, caller)) == 1
    phone.send(b"before", SRV[family], RTP)
    caller.vanish()
    Caller(gate, family, TLS, own=caller.port)
    gate.apply(**OPEN, tokens=(token(2),), revoked=(1,))
    phone.send(b"after", SRV[family], RTP)
    assert gate.arrived(family, "rtp") == [b"before"]
