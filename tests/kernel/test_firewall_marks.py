"""A mark that is given out again: whoever had it before stays shut out."""

import pytest

from firewall.ruleset.types import Token
from tests.kernel.bench import RTP, SIP, SRV, STRANGER, Bench, Socket, register, token

pytestmark = pytest.mark.kernel
OLD, OTHER = token(1), token(2)
HEIR = Token(1, token(77).value)


@pytest.fixture
def phone(bench: Bench, family: int) -> Socket:
    """The phone of the first holder, with a live flow."""
    made = bench.hands["attacker"].udp(family, STRANGER[family])
    made.send(register(OLD.value), SRV[family], SIP)
    assert bench.arrived(family)
    return made


def arrives(bench: Bench, family: int, phone: Socket, data: bytes) -> bool:
    phone.send(data, SRV[family], SIP)
    return bool(bench.arrived(family))


def hand_over(bench: Bench) -> None:
    """Revoke and cut; an edit later the mark is off the list; then it has another holder."""
    bench.apply(tokens=(OTHER,), revoked=(1,))
    bench.apply(tokens=(OTHER,))
    bench.apply(tokens=(OTHER, HEIR))


def test_the_flow_of_the_first_holder_stays_dead(bench: Bench, family: int, phone: Socket) -> None:
    hand_over(bench)
    assert not arrives(bench, family, phone, register())
    assert not arrives(bench, family, phone, register(OLD.value))
    audio = bench.hands["attacker"].udp(family, STRANGER[family])
    audio.send(b"\x80\x08 audio", SRV[family], RTP)
    assert not bench.arrived(family, "rtp")


def test_the_heir_gets_in_and_is_cut_like_any_other(
    bench: Bench, family: int, phone: Socket
) -> None:
    hand_over(bench)
    heir = bench.hands["attacker"].udp(family, STRANGER[family])
    assert arrives(bench, family, heir, register(HEIR.value))
    assert arrives(bench, family, heir, register())
    bench.apply(tokens=(OTHER,), revoked=(1,))
    assert not arrives(bench, family, heir, register())
