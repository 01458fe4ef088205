"""Calls over trunks as vendors want them: numbers, callers, hosts, proxy, codecs, TLS."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lab.phones import PjsuaPhone
from lab.process import wait_until
from lab.vendor import FIRST, SECOND, SERVER, VENDOR_TONE_HZ
from peers.realtime.actions import Reload
from peers.realtime.facts import ServerFacts, StepFacts, TrunkFacts
from peers.realtime.outgoing import TollFacts
from peers.realtime.trunk_states import reach
from peers.tls import authority
from peers.tls.files import Contents, TlsFolder, transports
from tests.asterisk.conftest import LONDON, PHONE_TONE_HZ, Bench, peer, snapshot
from tests.asterisk.outside import ALLOWED, LOOSE, TRUNKS, allow, call, taking

ABROAD = "33199000999"
PARIS_FROM = "+33199000555"


def trunk(**changes: Any) -> tuple[TrunkFacts, ...]:
    """The first vendor's trunk, changed, and the second's."""
    return replace(TRUNKS[0], **changes), TRUNKS[1]


def out(bench: Bench, *numbers: str, **changes: Any) -> tuple[list[str], list[str]]:
    """What the vendor was dialled, and its INVITEs."""
    allow(bench, vendors=trunk(**changes), destinations=(("44", True), ("33", True)))
    with taking(bench) as vendor:
        for number in numbers:
            assert call(bench, f"+{number}")[0].status == 200
        return vendor.dialled, vendor.invites


@pytest.mark.parametrize(
    ("changes", "home", "abroad"),
    [
        ({}, f"+{ALLOWED}", f"+{ABROAD}"),
        ({"number_out": "digits"}, ALLOWED, ABROAD),
        ({"number_out": "international"}, f"00{ALLOWED}", f"00{ABROAD}"),
        ({"number_out": "national", "country": "44"}, "02079460999", f"00{ABROAD}"),
        ({"number_out": "digits", "prefix_out": "77#"}, f"77%23{ALLOWED}", f"77%23{ABROAD}"),
    ],
    ids=["plus", "digits", "international", "national", "prefix"],
)
def test_a_vendor_is_called_with_numbers_as_it_writes_them(
    bench: Bench, changes: dict[str, Any], home: str, abroad: str
) -> None:
    assert out(bench, ALLOWED, ABROAD, **changes)[0] == [home, abroad]


@pytest.mark.parametrize(
    ("header", "sent"),
    [
        ("from", [rf"From: <sip:\+{LONDON}@"]),
        ("pai", [r"From: <sip:account-7@", rf"P-Asserted-Identity: <sip:\+{LONDON}@"]),
        ("rpid", [r"From: <sip:account-7@", rf"Remote-Party-ID: <sip:\+{LONDON}@"]),
        ("diversion", [rf"From: <sip:\+{LONDON}@", rf"Diversion: <sip:\+{LONDON}@"]),
    ],
)
def test_the_caller_stands_in_the_header_that_the_vendor_reads(
    bench: Bench, header: str, sent: list[str]
) -> None:
    account = {"username": "account-7", "password": "secret-7", "from_domain": "vendor.example"}
    invite = out(bench, ALLOWED, caller_out=header, **account)[1][0]
    others = {"P-Asserted-Identity", "Remote-Party-ID", "Diversion"} - {
        one.partition(":")[0] for one in sent
    }
    assert all(re.search(f"^{one}", invite, re.MULTILINE) for one in sent), invite
    assert "@vendor.example" in invite
    assert not any(f"\n{name}:" in invite for name in others)


@pytest.mark.parametrize(
    ("changes", "numbers"),
    [
        ({}, [f"+{LONDON}", LONDON, f"00{LONDON}"]),
        ({"country": "44"}, ["02079460123", f"+{LONDON}"]),
        ({"country": "44", "number_in": "national"}, ["2079460123", "02079460123", f"+{LONDON}"]),
        ({"prefix_in": "77"}, [f"77{LONDON}", f"77+{LONDON}", LONDON]),
        ({"international": "011"}, [f"011{LONDON}"]),
    ],
    ids=["e164", "national too", "national", "prefix", "011"],
)
def test_a_ddi_is_found_however_the_vendor_writes_it(
    bench: Bench, changes: dict[str, Any], numbers: list[str]
) -> None:
    busy = StepFacts(1, "reject", cause="busy")
    bench.apply(snapshot(trunks=trunk(**changes), steps=(busy,)))
    assert [bench.vendor().call(one).status for one in numbers] == [486] * len(numbers)


@pytest.mark.parametrize(
    ("header", "line", "shown"),
    [
        ("pai", 'P-Asserted-Identity: "a <sip:1@x>" <sip:{}@v.example;user=phone>', PARIS_FROM),
        ("pai", "P-Asserted-Identity: <tel:{}>", PARIS_FROM),
        ("rpid", "Remote-Party-ID: <sip:{}@v.example>;party=calling;privacy=off", PARIS_FROM),
        ("diversion", "Diversion: <sip:{}@v.example>;reason=unconditional", PARIS_FROM),
        ("from", "P-Asserted-Identity: <sip:{}@v.example>", "+441632960000"),
        ("pai", "X-Other: {}", "+441632960000"),
        ("pai", "P-Asserted-Identity: <sip:{}@v.example>\r\nPrivacy: id", "anonymous"),
    ],
    ids=["pai", "tel", "rpid", "diversion", "from", "missing", "private"],
)
def test_the_caller_is_taken_from_the_header_that_the_vendor_vouches_for(
    bench: Bench, phone: PjsuaPhone, header: str, line: str, shown: str
) -> None:
    bench.apply(snapshot(trunks=trunk(caller_in=header)))
    assert bench.vendor().call(LONDON, header=line.format(PARIS_FROM)).status == 200
    assert f"<sip:{shown}@" in phone.wait_for_call().header("From")


def known_to_be_down(bench: Bench, name: str) -> None:
    """Wait until Asterisk has asked a vendor's host, and got no answer."""

    def down() -> bool:
        with bench.pbx.client() as client:
            return reach(client.action("PJSIPShowEndpoint", Endpoint=name)).answers is False

    wait_until(down, 30, f"{name} is known to be down")


def test_calls_go_to_the_second_host_at_once_when_the_first_is_down(bench: Bench) -> None:
    servers = (ServerFacts(FIRST), ServerFacts(SECOND, priority=1))
    with taking(bench, SECOND) as second:
        allow(bench, vendors=(replace(TRUNKS[0], servers=servers, qualify=True), TRUNKS[1]))
        known_to_be_down(bench, "trunk_1")
        answer = call(bench, f"+{ALLOWED}", hold=0.1)[0]
    assert (answer.status, second.dialled) == (200, [f"+{ALLOWED}"])


def test_a_host_that_refuses_leaves_the_call_to_the_next_and_a_wrong_number_does_not(
    bench: Bench,
) -> None:
    servers = (ServerFacts(FIRST), ServerFacts(SECOND, priority=1))
    allow(bench, vendors=trunk(servers=servers), trunks=("trunk_1",))
    seen = []
    for status in (503, 404):
        with taking(bench, FIRST, status), taking(bench, SECOND) as second:
            seen.append((call(bench, f"+{ALLOWED}")[0].status, len(second.invites)))
    assert seen == [(200, 1), (404, 0)]


def test_hosts_of_one_priority_share_the_calls(bench: Bench) -> None:
    shared = trunk(servers=(ServerFacts(FIRST), ServerFacts(SECOND)))
    allow(bench, vendors=shared, caps=replace(LOOSE, seconds_a_day=10**6))
    with taking(bench, FIRST) as one, taking(bench, SECOND) as other:
        answers = call(bench, *[f"+{ALLOWED}"] * 16)
    assert [answer.status for answer in answers] == [200] * 16
    # All sixteen to one of them: once in 32,768 runs.
    assert min(len(one.invites), len(other.invites)) > 0


def test_an_outbound_proxy_gets_what_is_for_the_vendor(bench: Bench) -> None:
    allow(bench, vendors=trunk(proxy=ServerFacts(SECOND)))
    with taking(bench, SECOND) as proxy:
        assert call(bench, f"+{ALLOWED}")[0].status == 200
    (invite,) = proxy.invites
    assert invite.startswith(f"INVITE sip:+{ALLOWED}@{FIRST}:5060 SIP/2.0")
    assert f"\nRoute: <sip:{SECOND}:5060;lr>" in invite


@pytest.mark.parametrize(("dtmf", "events"), [("rfc4733", True), ("info", False)])
def test_codecs_are_offered_in_order_and_keys_as_chosen(
    bench: Bench, dtmf: str, events: bool
) -> None:
    invite = out(bench, ALLOWED, codecs=("g722", "ulaw", "alaw"), dtmf=dtmf)[1][0]
    assert re.search(r"^m=audio [0-9]+ RTP/AVP 9 0 8\b", invite, re.MULTILINE), invite
    assert ("telephone-event" in invite) is events


def test_calls_of_both_directions_count_for_the_trunks_limit(
    bench: Bench, phones: Callable[..., PjsuaPhone]
) -> None:
    allow(bench, vendors=trunk(channels_max=1), tolls=(TollFacts("trunk_1", channels=1),))
    alice = phones("alice")
    with taking(bench, FIRST):
        assert alice.call(f"sip:+{ALLOWED}@{SERVER}").answered
        assert bench.vendor().call(LONDON, source_port=5090).status == 486
        alice.hangup()


#: Each port is a transport of its own, which reads its authorities once: not that of other tests.
TLS_PORT = 5071
NAME = "vendor.sandbox.test"


@cache
def _root() -> authority.Signed:
    return authority.new_root("Vendors", datetime.now(UTC))


@contextmanager
def vendor_by_tls(bench: Bench, folder: Path, name: str) -> Iterator[PjsuaPhone]:
    """A vendor with a certificate for ``name``, whose authority Asterisk trusts."""
    now, root = datetime.now(UTC), _root()
    # A transport reads its authorities once: the same for all tests of this Asterisk.
    ca, pem = bench.folder / "vendors.pem", folder / "vendor.pem"
    ca.write_text(root.certificate)
    made = authority.issue(root, (name,), now)
    pem.write_text(made.pem + made.key)
    own = authority.issue(root, ("sip.sandbox.test",), now)
    tls = TlsFolder(bench.pbx.plan.tls)
    written = Contents(own.pem + own.key, transports(tls.path, TLS_PORT, ca))
    tls.write(written, 10**6)
    with bench.pbx.client() as client:
        Reload("res_pjsip.so").perform(client)
    with PjsuaPhone(
        bench.world.ns["vendor"], folder / "vendor", tone_hz=VENDOR_TONE_HZ,
        address=FIRST, port=TLS_PORT, transport="tls", ca=ca, certificate=pem,
    ) as vendor:  # fmt: skip
        vendor.identify("vendor", FIRST)
        yield vendor
    # Other tests have fences of their own.
    (tls.path / "fence").unlink()


def by_tls(bench: Bench) -> None:
    """A trunk whose signalling is TLS and whose audio is SRTP; the host by its name."""
    secure = trunk(servers=(ServerFacts(NAME, TLS_PORT),), transport="tls", srtp=True)
    allow(bench, vendors=secure, peers=(peer(),), trunks=("trunk_1",), tls_port=TLS_PORT)


def test_a_call_to_a_vendor_by_tls_and_srtp_is_heard_both_ways(
    bench: Bench, phones: Callable[..., PjsuaPhone], tmp_path: Path
) -> None:
    with vendor_by_tls(bench, tmp_path, NAME) as vendor:
        by_tls(bench)
        alice = phones("alice")
        assert alice.call(f"sip:+{ALLOWED}@{SERVER}").status == 200
        (invite,) = vendor.state().incoming
        alice.heard(0.4), vendor.heard(0.4)
        heard = alice.heard(1.0).hz, vendor.heard(1.0).hz
        alice.hangup()
    assert heard == (VENDOR_TONE_HZ, PHONE_TONE_HZ)
    assert "RTP/SAVP" in invite.message
    assert "SIP/2.0/TLS" in invite.message


def test_a_vendor_with_anothers_certificate_is_never_called(
    bench: Bench, phones: Callable[..., PjsuaPhone], tmp_path: Path
) -> None:
    with vendor_by_tls(bench, tmp_path, "another.sandbox.test") as vendor:
        by_tls(bench)
        status = phones("alice").call(f"sip:+{ALLOWED}@{SERVER}").status
        assert (status, vendor.state().incoming) == (503, ())
    assert "server identity does not match" in bench.pbx.log("messages.log")
