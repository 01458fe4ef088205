"""A token is learned from requests only; and what a cut phone is still asked opens no way back."""

import pytest

from tests.kernel.bench import SIP, SRV, STRANGER, Bench, Socket, register, token

pytestmark = pytest.mark.kernel
FIRST, SECOND = token(1), token(2)


def response(secret: str = "") -> bytes:
    """An answer; the host had told ``secret`` in To, as any SIP stack repeats it."""
    return f"SIP/2.0 200 OK\r\nTo: <sip:{secret}@h>\r\nCSeq: 1 OPTIONS\r\n\r\n".encode()


@pytest.fixture
def phone(bench: Bench, family: int) -> Socket:
    return bench.hands["attacker"].udp(family, STRANGER[family])


def arrives(bench: Bench, family: int, phone: Socket, data: bytes) -> bool:
    phone.send(data, SRV[family], SIP)
    return bool(bench.arrived(family))


def asks(bench: Bench, family: int, phone: Socket) -> None:
    """Let the server send an OPTIONS to the phone."""
    bench.sip[family].send(b"OPTIONS sip:a SIP/2.0\r\n\r\n", STRANGER[family], phone.port)


def test_a_response_with_a_live_token_out_of_nowhere_is_dropped(
    bench: Bench, family: int, phone: Socket
) -> None:
    assert not arrives(bench, family, phone, response(FIRST.value))


def test_an_answer_that_repeats_a_token_lets_no_request_in_after_it(
    bench: Bench, family: int, phone: Socket
) -> None:
    asks(bench, family, phone)
    assert arrives(bench, family, phone, response(FIRST.value))
    assert not arrives(bench, family, phone, register())


def test_an_answer_with_another_live_token_does_not_take_the_flow_over(
    bench: Bench, family: int, phone: Socket
) -> None:
    assert arrives(bench, family, phone, register(FIRST.value))
    assert arrives(bench, family, phone, response(SECOND.value))
    bench.apply(tokens=(SECOND,), revoked=(1,))
    assert not arrives(bench, family, phone, register())


def test_an_answer_with_its_own_token_keeps_the_phones_right_to_send_audio(
    bench: Bench, family: int, phone: Socket
) -> None:
    assert arrives(bench, family, phone, register(FIRST.value))
    bench.run("ipset", "flush", f"ddi-seen{family}")
    assert arrives(bench, family, phone, response(FIRST.value))
    assert STRANGER[family] in bench.run("ipset", "list", f"ddi-seen{family}")


def test_what_the_host_still_asks_of_a_cut_phone_gets_no_answer_through(
    bench: Bench, family: int, phone: Socket
) -> None:
    assert arrives(bench, family, phone, register(FIRST.value))
    bench.apply(tokens=(SECOND,), revoked=(1,))
    for secret in ("", FIRST.value, SECOND.value):
        asks(bench, family, phone)
        assert not arrives(bench, family, phone, response(secret))


def test_a_cut_phone_comes_back_with_a_request_that_holds_a_live_token(
    bench: Bench, family: int, phone: Socket
) -> None:
    assert arrives(bench, family, phone, register(FIRST.value))
    bench.apply(tokens=(SECOND,), revoked=(1,))
    assert arrives(bench, family, phone, register(SECOND.value))
    asks(bench, family, phone)
    assert arrives(bench, family, phone, response())
