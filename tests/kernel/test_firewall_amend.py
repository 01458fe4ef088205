"""The verb `amend`: one token more or less among many, in force and read back at once."""

import pytest

from ddiweb.deploy.errors import Refused
from tests.kernel.bench import SIP, SRV, STRANGER, Bench, Socket, intent, register, token

pytestmark = pytest.mark.kernel

MANY = tuple(token(mark) for mark in range(1, 200))
FRESH = token(1000)


@pytest.fixture
def phone(bench: Bench, family: int) -> Socket:
    return bench.hands["attacker"].udp(family, STRANGER[family])


def admitted(bench: Bench, family: int, phone: Socket, secret: str = "") -> bool:
    phone.send(register(secret), SRV[family], SIP)
    return bool(bench.arrived(family))


def quick(bench: Bench) -> bool:
    """Whether the last amendment took the quick way: the whole intent was not written for it."""
    return (bench.folder / "state" / "amended.jsonl").exists()


def test_an_added_token_is_admitted(bench: Bench, family: int, phone: Socket) -> None:
    bench.apply(tokens=MANY)
    before = admitted(bench, family, phone, FRESH.value)
    bench.channel.amend([FRESH], [], bench.fence())
    assert (before, admitted(bench, family, phone, FRESH.value)) == (False, True)
    assert quick(bench)


def test_a_dropped_token_and_its_flow_are_dead(bench: Bench, family: int, phone: Socket) -> None:
    bench.apply(tokens=MANY)
    before = admitted(bench, family, phone, token(7).value)
    bench.channel.amend([], [7], bench.fence())
    flow = admitted(bench, family, phone)
    assert (before, flow, admitted(bench, family, phone, token(7).value)) == (True, False, False)
    assert quick(bench)


def test_the_same_rules_come_of_it_as_of_a_whole_apply(bench: Bench) -> None:
    bench.apply(tokens=MANY)
    fence = bench.fence()
    for mark in range(300, 315):  # leaves grow beyond their size, and shrink again
        bench.channel.amend([token(mark)], [], fence)
    bench.channel.amend([], list(range(300, 310)), fence)
    tokens = (*MANY, *(token(mark) for mark in range(310, 315)))
    assert bench.channel.plan(intent(tokens=tokens, revoked=tuple(range(300, 310)))) == []


def test_an_amendment_outlives_the_agent(bench: Bench, family: int, phone: Socket) -> None:
    bench.apply(tokens=MANY)
    bench.channel.amend([FRESH], [7], bench.fence())
    bench.kill_agent()
    for version in (4, 6):
        name = bench.tables(version).removesuffix("-save")
        bench.run(name, "-F")  # what a boot leaves: nothing
    bench.start_agent()
    dead = admitted(bench, family, phone, token(7).value)
    assert (dead, admitted(bench, family, phone, FRESH.value)) == (False, True)


def test_a_whole_intent_ends_what_was_amended_before(bench: Bench) -> None:
    bench.apply(tokens=MANY)
    bench.channel.amend([FRESH], [], bench.fence())
    bench.apply(tokens=MANY)
    bench.kill_agent()
    bench.start_agent()
    assert bench.channel.plan(intent(tokens=MANY)) == []


@pytest.mark.parametrize(
    "harm",
    [("-D", "INPUT", "-j", "DDI-IN"), ("-I", "INPUT", "1", "-j", "ACCEPT"), ("-F", "DDIa-MGMT")],
    ids=" ".join,
)
def test_rules_that_somebody_changed_are_healed_by_the_long_way(
    bench: Bench, family: int, harm: tuple[str, ...]
) -> None:
    bench.apply(tokens=MANY)
    name = bench.tables(family).removesuffix("-save")
    bench.run(name, *[word.replace("DDIa", _slot(bench, family)) for word in harm])
    bench.channel.amend([], [7], bench.fence())
    bench.run(name, "-D", "INPUT", "-j", "ACCEPT", check=False)
    assert not quick(bench)
    assert bench.channel.status()["drift"] == []


def _slot(bench: Bench, family: int) -> str:
    return "DDIb" if "-A DDI-IN -g DDIb-IN" in bench.rules(family) else "DDIa"


def test_another_programs_rules_cost_only_the_quick_way(
    bench: Bench, family: int, phone: Socket
) -> None:
    bench.apply(tokens=MANY)
    name = bench.tables(family).removesuffix("-save")
    bench.run(name, "-A", "FORWARD", "-j", "DROP")
    bench.channel.amend([FRESH], [], bench.fence())
    bench.run(name, "-D", "FORWARD", "-j", "DROP")
    assert admitted(bench, family, phone, FRESH.value)


def test_a_rollback_takes_no_amendment_back(bench: Bench, family: int, phone: Socket) -> None:
    fence = bench.fence()
    bench.channel.amend([FRESH], [1], fence)
    bench.channel.rollback(fence)
    dead = admitted(bench, family, phone, token(1).value)
    assert (dead, admitted(bench, family, phone, FRESH.value)) == (False, True)


@pytest.mark.parametrize("fault", ["old fence", "mark of another", "revoked"])
def test_what_can_not_be_is_refused_and_changes_nothing(bench: Bench, fault: str) -> None:
    bench.apply(tokens=MANY, revoked=(1000,))
    fence = 0 if fault == "old fence" else bench.fence()
    wrong = {"old fence": token(1001), "revoked": FRESH}
    before = bench.rules()
    with pytest.raises(Refused):
        bench.channel.amend([wrong.get(fault, type(FRESH)(7, token(1002).value))], [], fence)
    assert (bench.rules(), bench.channel.status()["drift"]) == (before, [])


def test_a_counter_outlives_that_its_chain_was_written_anew(
    bench: Bench, family: int, phone: Socket
) -> None:
    if bench.backend == "legacy":
        pytest.skip("on legacy what was counted since the last reading is not taken over")
    before = bench.channel.counters()["totals"].get("token", {}).get("1", 0)
    admitted(bench, family, phone, token(1).value)
    bench.channel.amend([FRESH], [], bench.fence())
    assert bench.channel.counters()["totals"]["token"]["1"] == before + 1
