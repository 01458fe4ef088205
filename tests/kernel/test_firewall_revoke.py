"""The verb `revoke`: tokens are shut out of the good rules without an intent of the panel."""

import pytest

from ddiweb.deploy.errors import Refused
from tests.kernel.bench import SIP, SRV, STRANGER, Bench, Socket, register, token

pytestmark = pytest.mark.kernel
MANY = 40  # more revoked marks than are compared one by one


@pytest.fixture
def thief(bench: Bench, family: int) -> Socket:
    return bench.hands["attacker"].udp(family, STRANGER[family])


def admitted(bench: Bench, family: int, thief: Socket, secret: str = "") -> bool:
    thief.send(register(secret), SRV[family], SIP)
    return bool(bench.arrived(family))


def test_a_revoked_token_is_dead_and_the_others_live(
    bench: Bench, family: int, thief: Socket
) -> None:
    bench.channel.revoke([1], bench.fence())
    dead = admitted(bench, family, thief, token(1).value)
    assert (dead, admitted(bench, family, thief, token(2).value)) == (False, True)


def test_a_flow_of_a_revoked_token_ends(bench: Bench, family: int, thief: Socket) -> None:
    before = admitted(bench, family, thief, token(1).value)
    bench.channel.revoke([1], bench.fence())
    assert (before, admitted(bench, family, thief)) == (True, False)


def test_the_rules_alone_end_the_flows_of_many_revoked_tokens(bench: Bench, family: int) -> None:
    """Each is found by its low bits; this agent ends no flow by itself."""
    bench.kill_agent()
    bench.start_agent(tools=bench.without_conntrack())
    marks = range(1, MANY + 2)
    try:
        bench.apply(tokens=tuple(map(token, marks)))
        flows = [bench.hands["attacker"].udp(family, STRANGER[family]) for _ in marks]
        for mark, flow in zip(marks, flows, strict=True):
            flow.send(register(token(mark).value), SRV[family], SIP)
        before = len(bench.arrived(family))
        bench.channel.revoke([*marks[:-1]], bench.fence())
    finally:
        bench.kill_agent()
    for flow in flows:
        flow.send(register(""), SRV[family], SIP)
    assert (before, len(bench.arrived(family))) == (MANY + 1, 1)


def test_no_rollback_lets_a_revoked_token_in_again(
    bench: Bench, family: int, thief: Socket
) -> None:
    fence = bench.fence()
    bench.channel.revoke([1], fence)
    bench.channel.rollback(fence)
    assert not admitted(bench, family, thief, token(1).value)


def test_a_revocation_outlives_the_agent(bench: Bench, family: int, thief: Socket) -> None:
    bench.channel.revoke([1], bench.fence())
    bench.kill_agent()
    bench.start_agent()
    assert not admitted(bench, family, thief, token(1).value)


def test_an_overtaken_fence_revokes_nothing(bench: Bench, family: int, thief: Socket) -> None:
    with pytest.raises(Refused):
        bench.channel.revoke([1], 0)
    assert admitted(bench, family, thief, token(1).value)
