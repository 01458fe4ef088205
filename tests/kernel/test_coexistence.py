"""fail2ban, ufw, firewalld and Docker's chains beside ours: byte-identical over many applies.

The first three are Debian's packages at work. Docker's rules are those that dockerd 20 to 28 makes
for a bridge and one published port, loaded as text: there is no engine in a namespace.
"""

from collections.abc import Iterator

import pytest

from lab.rivals import JAIL, Rivals
from tests.kernel.bench import RTP, SIP, Bench
from tests.kernel.conftest import bench_of
from tests.kernel.rebuilds import RULESETS, rulesets
from tests.scale import scaled

pytestmark = pytest.mark.kernel

DOCKER = """*filter
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d {guest} ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d {loop} -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s {net} ! -o docker0 -j MASQUERADE
-A POSTROUTING -s {guest} -d {guest} -p tcp -m tcp --dport 80 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8081 -j DNAT --to-destination {to}:80
COMMIT
"""
NETS = {
    4: {"guest": "172.17.0.2/32", "loop": "127.0.0.0/8", "net": "172.17.0.0/16"},
    6: {"guest": "fd00:17::2/128", "loop": "::1/128", "net": "fd00:17::/64"},
}
TO = {4: "172.17.0.2", 6: "[fd00:17::2]"}


@pytest.fixture(scope="module", params=["nft", "legacy"])
def backend_bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """A world of this file's own: what the others load into it ends with it."""
    with bench_of(request.param, tmp_path_factory.mktemp(request.param)) as bench:
        yield bench


@pytest.fixture(scope="module")
def rivals(backend_bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rivals]:
    """All of them at work in `srv`."""
    bench = backend_bench
    folder = tmp_path_factory.mktemp("rivals")
    made = Rivals(bench.world.ns["srv"], folder, bench.backend)
    # With its nftables backend it has a table of its own, which judges what ours let through.
    made.firewalld(
        "nftables" if bench.backend == "nft" else "iptables",
        [
            'rule family="ipv4" source address="198.51.100.0/24" service name="ssh" reject',
            f'rule port port="{SIP}" protocol="udp" accept',
            f'rule port port="{RTP}-{RTP + 100}" protocol="udp" accept',
        ],
    )
    made.start_fail2ban()
    made.ufw("--force", "enable")
    made.ufw("allow", "from", "198.51.100.3", "to", "any", "port", "22", "proto", "tcp")
    made.ufw("limit", "443/tcp")
    made.ban("198.51.100.7", "198.51.100.8", "2001:db8:bad::7")
    made.ban("198.51.100.9", jail=f"{JAIL}-set")
    for family in (4, 6):
        text = DOCKER.format(**NETS[family], to=TO[family])
        bench.run(bench.tables(family, "restore"), "--noflush", text=text)
    bench.apply()
    yield made
    made.stop_fail2ban()


def foreign(bench: Bench, rivals: Rivals) -> str:
    """All that is not ours, in both families, as text."""
    lines = [rivals.nft()]
    for family in (4, 6):
        # Chains are listed with their policies; counters and times change by themselves.
        for line in bench.run(bench.tables(family)).splitlines():
            if not line.startswith("#") and "DDI" not in line:
                lines.append(line.partition(" [")[0] if line.startswith(":") else line)
    sets = bench.run("ipset", "save").splitlines()
    lines += [line.partition(" timeout")[0] for line in sets if " ddi-" not in line]
    return "\n".join(lines)


def test_other_firewalls_stay_byte_identical_over_many_applies(
    bench: Bench, rivals: Rivals
) -> None:
    wanted = rulesets(7)[: RULESETS - 1]
    before = foreign(bench, rivals)
    assert all(name in before for name in ("f2b-ddi-lab", "ufw-user-input", "DOCKER-USER"))
    assert ("table inet firewalld" if bench.backend == "nft" else "IN_public") in before
    fence = bench.fence()
    for count in range(scaled(20, 1000)):
        assert bench.channel.apply(wanted[count % len(wanted)], fence)["changed"]
    assert foreign(bench, rivals) == before


def test_other_firewalls_go_on_working_beside_ours(bench: Bench, rivals: Rivals) -> None:
    rivals.ban("198.51.100.70")
    rivals.ufw("deny", "from", "198.51.100.71")
    before = bench.channel.status()["in_force"]
    bench.apply(tokens=())
    rules = bench.rules(4)
    assert "-A f2b-ddi-lab -s 198.51.100.70/32 -j REJECT" in rules
    assert "-A ufw-user-input -s 198.51.100.71/32 -j DROP" in rules
    assert (before, bench.channel.status()["in_force"]) == (True, True)


def test_a_full_restore_by_another_program_is_noticed_and_healed(
    bench: Bench, rivals: Rivals
) -> None:
    bench.run(bench.tables(4, "restore"), text="*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")
    noticed = bench.channel.status()["in_force"]
    bench.apply()
    assert (noticed, bench.channel.status()["in_force"]) == (False, True)
    assert bench.rules(4).count("-A INPUT -j DDI-IN") == 1
