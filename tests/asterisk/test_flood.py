"""20,000 packets a second from strangers, 1,000 tokens, and a call that must not notice."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.phones import PjsuaPhone
from lab.vendor import FIRST, VENDOR_TONE_HZ
from tests.asterisk.conftest import LONDON, Bench
from tests.kernel import bench as kernel
from tests.scale import scaled

pytestmark = pytest.mark.asterisk

RATE = 20_000
SERVERS = {4: "203.0.113.10", 6: "2001:db8:113::10"}
_EDGE = 4  # packets on their way when counting begins and ends


class Wall(kernel.Bench):
    """An agent in front of the session's Asterisk, which has the ports."""

    def __init__(self, bench: Bench, backend: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.world, self.backend, self.folder = bench.world, backend, folder
        self.socket, self.log = folder / "agent.sock", folder / "agent.log"
        self.channel = kernel.AgentChannel(self.socket, timeout=60)
        self.agent = None


@pytest.fixture(params=["nft", "legacy"])
def wall(request: pytest.FixtureRequest, bench: Bench, tmp_path: Path) -> Iterator[Wall]:
    """1,000 tokens, one vendor; gone afterwards."""
    made = Wall(bench, request.param, tmp_path / "wall")
    made.start_agent()
    many = tuple(kernel.token(mark) for mark in range(1, 1001))
    made.apply(tokens=many, vendors=(f"{FIRST}/32",), rtp_last=kernel.RTP + 199)
    yield made
    made.kill_agent()
    made.clear()


def _start(bench: Bench, place: str, *words: str) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "tests.asterisk.flood", *words]
    return subprocess.Popen(
        bench.world.argv(place, argv, cwd=kernel.ROOT), stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("family", [4, 6], ids=["v4", "v6"])
def test_a_call_does_not_notice_a_flood_of_strangers(
    bench: Bench,
    wall: Wall,
    phones: Callable[..., PjsuaPhone],
    family: int,
    record_property: Callable[[str, object], None],
) -> None:
    seconds = scaled(4, 60)
    phone = phones("alice", user_agent=kernel.token(500).value)
    before = bench.pbx.log("security.log")
    with PjsuaPhone(
        bench.world.ns["vendor"],
        wall.folder / "vendor",
        tone_hz=VENDOR_TONE_HZ,
        address=FIRST,
        port=5060,
    ) as vendor:
        vendor.identify("+441632960000", FIRST)
        assert vendor.call(f"sip:{LONDON}@203.0.113.10:5060").answered
        phone.wait_for_call()
        flood = _start(bench, "attacker", "send", SERVERS[family], str(RATE), str(seconds + 2))
        heard = [_start(bench, place, "count", str(seconds)) for place in ("phone", "vendor")]
        at_phone, at_vendor = (
            json.loads(one.communicate(timeout=seconds + 30)[0]) for one in heard
        )
        flooded = json.loads(flood.communicate(timeout=30)[0])
        vendor.hangup()
    sent = at_phone["out"] + at_vendor["out"]
    lost = sent - at_phone["in"] - at_vendor["in"]
    told = {"backend": wall.backend, "family": family, "rtp": sent, "lost": lost} | flooded
    print(json.dumps(told))
    record_property("flood", told)
    assert sent > seconds * 80
    assert lost <= sent / 1000 + _EDGE
    assert bench.pbx.log("security.log") == before
