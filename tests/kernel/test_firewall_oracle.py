"""Oracle and kernel: random packets judged by both, and the agent's verb that asks both."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from ddiweb.deploy.errors import Refused
from firewall.ruleset.packet import Packet
from firewall.ruleset.types import Service
from tests import factories
from tests.kernel.bench import PHONE, ROOT, RTP, SIP, SITE, SRV, STRANGER, Bench, register, token
from tests.kernel.bench import intent as wanted

pytestmark = pytest.mark.kernel
COUNT = int(os.environ.get("DDIWEB_TEST_PACKETS", "16000"))  # both backends together
SEED = os.environ.get("DDIWEB_TEST_SEED", "ddiweb")
FIRST = token(1).value


def _packet(family: Any, payload: bytes = b"", port: int = SIP, **values: Any) -> Packet:
    plain = {"source": STRANGER[family], "destination": SRV[family], "source_port": 4000}
    plain |= {"protocol": "udp", "destination_port": port, "payload": payload}
    return Packet(family=family, **plain | values)


def _duel(backend: str, count: int, *more: str) -> None:
    line = ["--backend", backend, "--seed", SEED, "--packets", str(count), *more]
    done = subprocess.run(
        [sys.executable, "-m", "tests.kernel.duel", *line],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = [json.loads(text) for text in done.stdout.splitlines()]
    differences = [one for one in found if "packet" in one]
    judged = sum(one["of"] for one in found if "of" in one)
    assert (done.returncode, differences, judged) == (0, [], count), done.stderr


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_oracle_and_kernel_agree_on_random_packets(backend: str) -> None:
    _duel(backend, COUNT // 2)


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_the_rules_counters_tell_the_same_as_sockets(backend: str) -> None:
    _duel(backend, 400, "--counters")


def test_a_probe_tells_the_way_of_each_packet(bench: Bench, family: int) -> None:
    asked = [_packet(family, register()), _packet(family, register(FIRST)), _packet(family, b"x")]
    found = bench.channel.probe(asked)
    assert [one["verdict"] for one in found["kernel"]] == ["drop", "accept", "accept"]
    assert [one["verdict"] for one in found["oracle"]] == ["drop", "accept", "accept"]
    assert found["kernel"][0]["path"][-1] == "DDIa-NEW -j DROP"
    assert found["oracle"][1]["path"][-1] == "token of mark 1"


def test_a_piece_that_the_host_discards_behind_the_rules_is_dropped(bench: Bench) -> None:
    """On nft the rule of a served port accepts the first fragment by its ports alone."""
    split = _packet(6, b"x" * 40, 443, protocol="tcp", flags=("syn",), fragment=8)
    found = bench.channel.probe([split], wanted(services=(Service("tcp", 443, 443),)))
    assert (found["kernel"][0]["verdict"], found["oracle"][0]["verdict"]) == ("drop", "drop")


def test_a_probe_shows_no_token(bench: Bench, family: int) -> None:
    found = json.dumps(bench.channel.probe([_packet(family, register(FIRST))]))
    assert (FIRST in found, FIRST in bench.log.read_text()) == (False, False)


def test_a_probe_changes_nothing_of_the_host(bench: Bench, family: int) -> None:
    before = (bench.rules(family), bench.run("ipset", "save"), bench.channel.status()["counters"])
    bench.channel.probe([_packet(family, register(FIRST))])
    after = (bench.rules(family), bench.run("ipset", "save"), bench.channel.status()["counters"])
    assert after == before


def test_a_probe_knows_the_addresses_that_the_host_has_seen(bench: Bench, family: int) -> None:
    phone = bench.hands["attacker"].udp(family, PHONE[family])
    phone.send(register(FIRST), SRV[family], SIP)
    assert len(bench.arrived(family)) == 1
    asked = [_packet(family, port=RTP, source=host[family]) for host in (PHONE, STRANGER)]
    found = bench.channel.probe(asked)
    assert [one["verdict"] for one in found["kernel"]] == ["accept", "drop"]
    assert [one["verdict"] for one in found["oracle"]] == ["accept", "drop"]


def test_a_probe_may_be_about_an_intent_that_is_not_in_force(bench: Bench, family: int) -> None:
    other = wanted(tokens=(token(2),), revoked=(1,), generation=9)
    asked = [_packet(family, register(token(mark).value)) for mark in (1, 2)]
    found = bench.channel.probe(asked, other)
    assert [one["verdict"] for one in found["kernel"]] == ["drop", "accept"]
    assert found["generation"] == 9


def test_a_probe_with_many_tokens_is_answered(bench: Bench, family: int) -> None:
    many = wanted(tokens=tuple(token(mark) for mark in range(1, 1001)))
    asked = [
        _packet(family, register(token(777).value)),
        _packet(family, register(SITE + "a" * 26), source_port=4001),
    ]
    found = bench.channel.probe(asked, many)
    assert [one["verdict"] for one in found["kernel"]] == ["accept", "drop"]


def test_a_live_token_is_admitted_beside_any_other(bench: Bench, family: int) -> None:
    """An old contact beside a new User-Agent: whichever digits the tree looks at first."""
    many = wanted(tokens=tuple(token(mark) for mark in range(1, 61)), revoked=(777,))
    dead = token(777).value
    asked = [
        _packet(family, register(f"{dead} {one.value}"), source_port=4000 + one.mark)
        for one in many.tokens
    ]
    found = bench.channel.probe(asked, many)
    assert {one["verdict"] for one in found["kernel"]} == {"accept"}
    assert {one["verdict"] for one in found["oracle"]} == {"accept"}


def test_the_hosts_own_packet_opens_the_way_for_a_response(bench: Bench, family: int) -> None:
    asked = [_packet(family, way="out"), _packet(family, b"SIP/2.0 200 OK"), _packet(family, b"x")]
    found = bench.channel.probe(asked)
    assert [one["verdict"] for one in found["kernel"]] == ["accept", "accept", "drop"]


def test_without_a_namespace_the_oracle_answers_alone(bench: Bench, family: int) -> None:
    """The tools are what fails here; a kernel that refuses a namespace ends in the same branch."""
    restore = f"iptables-{bench.backend}-restore"
    config = json.loads(bench.config().read_text())
    bench.kill_agent()
    bench.start_agent(tools=config["tools"] | {restore: ["/nonexistent"]})
    try:
        found = bench.channel.probe([_packet(family, register(FIRST))])
    finally:
        bench.kill_agent()
        bench.start_agent()
    assert found["kernel"] is None
    assert found["oracle"][0]["verdict"] == "accept"
    assert restore in found["reason"]


@pytest.mark.django_db
@pytest.mark.parametrize("expected", [(FIRST, 0), (SITE, 2)], ids=["token", "no token"])
def test_why_tells_the_kernels_word(
    bench: Bench, family: int, settings: Any, tmp_path: Path, expected: tuple[str, int]
) -> None:
    secret, status = expected
    settings.AGENT_SOCKET = bench.socket
    factories.node(slug=settings.NODE, public_ipv6=SRV[6])
    (tmp_path / "message").write_bytes(register(secret))
    out, code = io.StringIO(), 0
    source = {4: f"{STRANGER[4]}:4000", 6: f"[{STRANGER[6]}]:4000"}[family]
    try:
        call_command("why", source, payload_file=str(tmp_path / "message"), stdout=out)
    except SystemExit as ended:
        code = int(str(ended.code))
    assert (code, FIRST in out.getvalue()) == (status, False)
    assert "DDIa-NEW" in out.getvalue()


def test_a_probe_with_a_field_too_many_is_refused(bench: Bench, family: int) -> None:
    class Forged:
        def to_json(self) -> dict[str, Any]:
            return _packet(family).to_json() | {"chain": "INPUT"}

    with pytest.raises(Refused):
        bench.channel.probe([Forged()])
