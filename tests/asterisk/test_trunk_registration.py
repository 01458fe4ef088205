"""A trunk that registers to its vendor, a sipp registrar that checks the digest."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from lab import sipp
from lab.process import wait_until
from lab.vendor import SECOND
from peers.realtime.actions import Reload
from peers.realtime.facts import NumberFacts, ServerFacts, StepFacts, TrunkFacts
from tests.asterisk.conftest import LONDON, Bench, snapshot

VENDOR, STRANGER = "203.0.113.20", "203.0.113.66"
PORTS: Iterator[int] = itertools.count(5170)
OTHER = TrunkFacts("trunk_2", ("203.0.113.21/32",))


@dataclass(frozen=True)
class Account:
    """A vendor's account; each test has a port of its own, deaf to other tests' trunks."""

    bench: Bench
    port: int

    def trunk(self, secret: str, **changes: Any) -> TrunkFacts:
        return _trunk(self.port, secret, **changes)

    def registrar(self, secret: str, calls: int = 1) -> sipp.Sipp:
        return _registrar(self.bench, self.port, secret, calls)


@pytest.fixture
def account(bench: Bench) -> Account:
    return Account(bench, next(PORTS))


def _trunk(
    port: int, secret: str, networks: tuple[str, ...] = (f"{VENDOR}/32",), **changes: object
) -> TrunkFacts:
    return TrunkFacts(
        "trunk_1",
        networks,
        servers=(ServerFacts(VENDOR, port),),
        username="account-7",
        password=secret,
        register=True,
        **changes,  # type: ignore[arg-type]
    )


def _registrar(bench: Bench, port: int, secret: str, calls: int) -> sipp.Sipp:
    return sipp.Sipp(
        bench.world.ns["vendor"],
        bench.folder / "registrar",
        "registrar",
        address=VENDOR,
        port=port,
        calls=calls,
        keys={"username": "account-7", "secret": secret},
    )


def test_a_trunk_registers_with_its_password(bench: Bench, account: Account) -> None:
    with account.registrar("pa$$w0rd,1") as registrar:
        change = bench.apply(snapshot(trunks=(account.trunk("pa$$w0rd,1"), OTHER)))
        trace = registrar.wait_for("REGISTER", 2)
        trace = registrar.wait()
    assert change.actions == (
        Reload("res_pjsip.so"),
        Reload("res_pjsip_outbound_registration.so"),
    )
    assert [text.split()[1] for text in trace.sent] == ["401", "200"]


def test_a_changed_password_is_used_at_once(bench: Bench, account: Account) -> None:
    with account.registrar("first-one") as registrar:
        bench.apply(snapshot(trunks=(account.trunk("first-one"), OTHER)))
        registrar.wait()
    with account.registrar("second-one", calls=5) as registrar:
        bench.apply(snapshot(trunks=(account.trunk("second-one"), OTHER)))
        wait_until(
            lambda: any(text.startswith("SIP/2.0 200 ") for text in registrar.trace().sent),
            8,
            "the vendor accepts the new password",
        )


def test_an_edit_elsewhere_sends_no_register(bench: Bench, account: Account) -> None:
    with account.registrar("first-one") as registrar:
        bench.apply(snapshot(trunks=(account.trunk("first-one"), OTHER)))
        registrar.wait()
    with account.registrar("first-one") as registrar:
        change = bench.apply(snapshot(trunks=(account.trunk("first-one"), OTHER), steps=()))
        time.sleep(1.5)
        requests = registrar.trace().requests("REGISTER")
        assert (change.actions, requests) == ((), ())


def test_a_vendor_that_wants_to_headers_calls_the_contact_ddi(
    bench: Bench, account: Account
) -> None:
    with account.registrar("first-one") as registrar:
        bench.apply(snapshot(trunks=(account.trunk("first-one", did_header="to"), OTHER)))
        trace = registrar.wait()
    assert "Contact: <sip:ddi@203.0.113.10:5060>" in trace.requests("REGISTER")[-1]


def test_a_trunk_that_registers_is_called_at_its_contact_and_from_its_networks_as_well(
    bench: Bench, account: Account
) -> None:
    networks = (f"{VENDOR}/32", f"{SECOND}/32")
    busy = StepFacts(1, "reject", cause="busy")
    number = NumberFacts(LONDON, "trunk_1", "London", (busy,))
    with account.registrar("first-one") as registrar:
        both = account.trunk("first-one", did_header="to", networks=networks)
        bench.apply(replace(snapshot(trunks=(both,)), numbers=(number,)))
        trace = registrar.wait()
        assert trace.sent[-1].startswith("SIP/2.0 200 ")
        seen = [
            bench.vendor(VENDOR).call("ddi", to=LONDON).status,
            bench.vendor(SECOND).call(f"+{LONDON}").status,
            bench.vendor(STRANGER, "attacker").call("ddi", to=LONDON).status,
        ]
    assert seen == [486, 486, 401]


def test_a_trunk_whose_rows_are_gone_unregisters(bench: Bench, account: Account) -> None:
    with account.registrar("first-one") as registrar:
        bench.apply(snapshot(trunks=(account.trunk("first-one"), OTHER)))
        registrar.wait()
    with account.registrar("first-one") as registrar:
        bench.apply(snapshot(trunks=(TrunkFacts("trunk_1", (f"{VENDOR}/32",)), OTHER)))
        last = registrar.wait_for("REGISTER").requests("REGISTER")[-1]
    assert "Expires: 0" in last
