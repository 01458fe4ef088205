"""The agent against the real kernel: coexistence, repair, failure, death; both backends."""

import signal
import stat
import sys

import pytest

from ddiweb.deploy.errors import Refused
from tests.kernel.bench import PHONE, ROOT, SIP, SRV, SSH, Bench, intent, register, token

pytestmark = pytest.mark.kernel

FOREIGN = """*filter
:f2b-sshd - [0:0]
:DOCKER-USER - [0:0]
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A FORWARD -j DOCKER-USER
-A f2b-sshd -s {bad} -j REJECT
-A f2b-sshd -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
*nat
-A POSTROUTING -s {inside} ! -o docker0 -j MASQUERADE
COMMIT
"""
NO_FOREIGN = """*filter
-D INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-D FORWARD -j DOCKER-USER
-F f2b-sshd
-F DOCKER-USER
-X f2b-sshd
-X DOCKER-USER
COMMIT
*nat
-D POSTROUTING -s {inside} ! -o docker0 -j MASQUERADE
COMMIT
"""
NAMES = {
    4: {"bad": "198.51.100.7/32", "inside": "172.17.0.0/16"},
    6: {"bad": "2001:db8:bad::7/128", "inside": "fd00:17::/64"},
}


def _foreign(bench: Bench, family: int) -> str:
    return "\n".join(line for line in bench.rules(family).splitlines() if "DDI" not in line)


def test_foreign_rules_stay_byte_identical_over_many_applies(bench: Bench, family: int) -> None:
    name = bench.tables(family, "restore")
    bench.run(name, "--noflush", text=FOREIGN.format(**NAMES[family]))
    before = _foreign(bench, family)
    try:
        for count in range(1, 21):
            bench.apply(tokens=tuple(token(mark) for mark in range(1, count * 3)))
        assert _foreign(bench, family) == before and "f2b-sshd" in before
    finally:
        bench.run(name, "--noflush", text=NO_FOREIGN.format(**NAMES[family]))


def test_the_same_intent_twice_changes_nothing(bench: Bench, family: int) -> None:
    before = bench.rules(family)
    answer = bench.apply()
    assert (answer["changed"], bench.rules(family)) == (False, before)


def test_the_loaded_rules_are_dumped_exactly_as_planned(bench: Bench) -> None:
    many = tuple(token(mark) for mark in range(1, 150))
    wanted = intent(tokens=many, revoked=tuple(range(1000, 1100)))
    bench.channel.apply(wanted, bench.fence())
    assert bench.channel.plan(wanted) == []


def test_a_plan_shows_no_whole_token(bench: Bench) -> None:
    lines = bench.channel.plan(intent(tokens=(token(1), token(2), token(7))))
    assert token(7).value[:17] in "".join(lines) and token(7).value not in "".join(lines)


def test_one_new_token_leaves_the_counters_of_the_others(bench: Bench) -> None:
    many = tuple(token(mark) for mark in range(1, 60))
    bench.apply(tokens=many)
    plan = bench.channel.plan(intent(tokens=(*many, token(60))))
    assert 1 <= len(plan) <= 3


@pytest.mark.parametrize(
    "harm",
    [
        ("-D", "INPUT", "-j", "DDI-IN"),
        ("-I", "INPUT", "1", "-j", "ACCEPT"),
        ("-I", "DDIa-SIP", "1", "-j", "ACCEPT"),
        ("-D", "DDIa-IN", "-j", "DROP"),
        ("-F", "DDIa-MGMT"),
        ("-A", "INPUT", "-j", "DDI-IN"),
        ("-N", "DDIa-Tzzzz"),
    ],
    ids=" ".join,
)
def test_drift_is_noticed_and_repaired(bench: Bench, family: int, harm: tuple[str, ...]) -> None:
    name = bench.tables(family).removesuffix("-save")
    before = bench.rules(family)
    bench.run(name, *harm)
    seen = bench.channel.status()["in_force"]
    bench.run(name, "-D", "INPUT", "-j", "ACCEPT", check=False)
    answer = bench.apply()
    foreign_only = harm[:2] == ("-I", "INPUT")
    assert (seen, bench.rules(family)) == (False, before)
    assert answer["changed"] or foreign_only


def test_a_lost_set_entry_is_noticed_and_repaired(bench: Bench) -> None:
    listed = bench.run("ipset", "list", "-n").split()
    vendor = next(name for name in listed if name.startswith("ddi-vendor4-"))
    bench.run("ipset", "del", vendor, "203.0.113.20")
    bench.run("ipset", "add", vendor, "198.51.100.0/24")
    seen = bench.channel.status()["in_force"]
    answer = bench.apply()
    members = bench.run("ipset", "save", vendor).split("add ")[1:]
    assert (seen, answer["changed"], len(members)) == (False, True, 1)


def test_a_moved_hook_is_put_first_again(bench: Bench) -> None:
    name = bench.tables(4).removesuffix("-save")
    bench.run(name, "-I", "INPUT", "1", "-s", "198.51.100.9/32", "-j", "ACCEPT")
    answer = bench.apply()
    rules = [line for line in bench.rules().splitlines() if line.startswith("-A INPUT")]
    bench.run(name, "-D", "INPUT", "-s", "198.51.100.9/32", "-j", "ACCEPT")
    assert (answer["changed"], rules[0]) == (True, "-A INPUT -j DDI-IN")


def test_unused_sets_are_removed(bench: Bench) -> None:
    for number in range(3):
        bench.apply(vendors=(f"198.51.100.{number}/32",))
    bench.apply()
    bench.apply(generation=2)
    listed = bench.run("ipset", "list", "-n").split()
    assert len([name for name in listed if name.startswith("ddi-vendor4-")]) <= 2


def test_more_tokens_than_one_message_holds_are_loaded(bench: Bench, family: int) -> None:
    many = tuple(token(mark) for mark in range(1, 701))
    fence = bench.fence()
    bench.channel.apply(intent(tokens=many), fence)
    for mark in (700, 701):
        phone = bench.hands["attacker"].udp(family, PHONE[family])
        phone.send(register(token(mark).value), SRV[family], SIP)
    passed = len(bench.arrived(family))
    again = bench.apply(tokens=many)["changed"]
    one_less = bench.channel.plan(intent(tokens=many[:-1]))
    assert (passed, again, len(one_less) <= 3) == (1, False, True)


def test_rules_of_the_other_backend_are_refused_with_a_remedy(bench: Bench) -> None:
    other = "iptables-legacy" if bench.backend == "nft" else "iptables-nft"
    bench.run(other, "-A", "INPUT", "-s", "198.51.100.1/32", "-j", "DROP")
    try:
        with pytest.raises(Refused, match="remove them"):
            bench.apply(tokens=(token(5),))
    finally:
        bench.run(other, "-F", "INPUT")


def test_rules_of_the_other_backend_do_not_keep_ours_out_at_boot(bench: Bench) -> None:
    other = "iptables-legacy" if bench.backend == "nft" else "iptables-nft"
    before = bench.rules()
    bench.kill_agent()
    bench.run(bench.tables(4, "restore"), text="*filter\nCOMMIT\n")
    bench.run(other, "-A", "INPUT", "-s", "198.51.100.1/32", "-j", "DROP")
    try:
        bench.start_agent()
        assert bench.rules() == before
    finally:
        bench.run(other, "-F", "INPUT")


def test_a_lower_fence_is_refused(bench: Bench) -> None:
    fence = bench.fence()
    bench.channel.apply(intent(generation=5), fence)
    with pytest.raises(Refused, match="newer deployment"):
        bench.channel.apply(intent(tokens=()), fence - 1)


def test_a_fence_is_remembered_over_a_restart(bench: Bench) -> None:
    fence = bench.fence() + 5
    bench.channel.apply(intent(), fence)
    bench.kill_agent()
    bench.start_agent()
    assert bench.channel.status()["fence"] == fence


def test_rollback_takes_back_what_this_fence_applied(bench: Bench, family: int) -> None:
    before = bench.rules(family)
    fence = bench.fence()
    bench.channel.apply(intent(tokens=(token(9),)), fence)
    bench.channel.rollback(fence)
    bench.channel.rollback(fence)
    assert bench.rules(family) == before


def test_rollback_after_a_refused_apply_keeps_what_was_there(bench: Bench) -> None:
    bench.apply(tokens=(token(9),))
    before = bench.rules()
    bench.channel.rollback(bench.fence())
    assert bench.rules() == before


def test_rollback_does_not_bring_a_revoked_token_back(bench: Bench) -> None:
    fence = bench.fence()
    bench.channel.apply(intent(tokens=(token(2),), revoked=(1,)), fence)
    bench.channel.rollback(fence)
    assert token(1).value not in bench.rules()


def test_the_agent_speaks_only_to_allowed_users(bench: Bench) -> None:
    bench.kill_agent()
    bench.start_agent(allowed_uids=[12_345])
    before = bench.rules()
    try:
        with pytest.raises(Refused, match="uid: 0 is not allowed"):
            bench.channel.apply(intent(tokens=()), 10_000)
    finally:
        bench.kill_agent()
    assert bench.rules() == before


def test_the_socket_is_closed_to_others(bench: Bench) -> None:
    assert stat.S_IMODE(bench.socket.stat().st_mode) == 0o660


def test_the_state_file_is_for_the_agent_alone(bench: Bench) -> None:
    modes = {file.stat().st_mode & 0o077 for file in (bench.folder / "state").glob("*.json")}
    assert modes == {0}


def test_no_log_line_holds_a_token(bench: Bench) -> None:
    bench.apply(tokens=(token(8),))
    bench.channel.status()
    assert token(8).value not in bench.log.read_text()


def test_a_stop_leaves_the_rules(bench: Bench) -> None:
    before = bench.rules()
    bench.kill_agent(signal.SIGTERM)
    assert bench.rules() == before


def test_an_agent_without_management_networks_does_not_start(bench: Bench) -> None:
    config = bench.config(management_networks=[])
    done = bench.world.run(
        "srv",
        [sys.executable, "-m", "firewall.agent", "--config", str(config)],
        env={"PYTHONPATH": str(ROOT)},
        check=False,
    )
    bench.config()
    assert (done.returncode, "nobody could get in" in done.stderr) == (1, True)


def test_the_boot_load_brings_the_last_good_rules_without_a_socket(bench: Bench) -> None:
    before = bench.rules()
    bench.kill_agent(signal.SIGTERM)
    bench.run(bench.tables(4, "restore"), text="*filter\nCOMMIT\n")
    argv = [sys.executable, "-m", "firewall.agent", "--restore", "--config", str(bench.config())]
    bench.world.run("srv", argv, env={"PYTHONPATH": str(ROOT)})
    assert (bench.rules(), bench.connect("admin", 4, SSH)) == (before, "open")
