"""Staging on a scratch kernel: what would shut out who asks is refused before it is loaded."""

import pytest

from ddiweb.deploy.errors import Refused
from tests.kernel.bench import ADMIN, STRANGER, Bench, intent
from tests.kernel.test_firewall_trial import LONG, OFFICE

pytestmark = pytest.mark.kernel


def test_who_asks_is_not_shut_out_by_his_own_change(bench: Bench, family: int) -> None:
    bench.apply(management=OFFICE)
    before = bench.rules(family)
    with pytest.raises(Refused, match=f"your own address {STRANGER[family]} to TCP port 22"):
        bench.channel.apply(
            intent(generation=2), bench.fence(), LONG, requested_from=STRANGER[family]
        )
    assert bench.rules(family) == before


def test_who_asks_from_elsewhere_is_not_in_the_way(bench: Bench) -> None:
    bench.apply(management=OFFICE)
    answer = bench.channel.apply(intent(generation=2), bench.fence(), LONG, requested_from=ADMIN[4])
    assert answer["trial"]


def test_all_of_it_is_staged_on_a_kernel(bench: Bench) -> None:
    bench.apply(rtp_last=12_000, services=())
    assert not [line for line in bench.channel.status()["warnings"] if "oracle alone" in line]
