"""Who reaches what: a generated matrix of callers, targets and odd spellings, with real calls.

``DDIWEB_TEST_SCALE=full`` dials every number in every spelling; the usual run each spelling at one
forbidden and one allowed number. The vendors at the other end say which calls came out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from lab import dialer, sipp
from lab.vendor import FIRST, SECOND, SERVER
from peers.realtime.facts import Connecting
from peers.realtime.outgoing import Caps
from tests.asterisk.conftest import LONDON, PARIS, PASSWORD, Bench, peer, ring, snapshot
from tests.asterisk.outside import ALLOWED, TRUNKS, Vendor, allow, refusal, taking
from tests.scale import FULL

#: United States, satellites, premium, personal, a 0 that a vendor may drop, Cuba, Guernsey.
FORBIDDEN = (
    "12025550123", "8821330012", "449012345678", "440901234567", "5312345678", "441481960194",
)  # fmt: skip
SPELLINGS = (
    "+{n}", "00{n}", "011{n}", "{n}", "0{n}", "000{n}", "+00{n}", "+0{n}", "++{n}", "%2B{n}",
    "0{p}", "{n};x=1", "+{n};phone-context=+44", "+{n}%3Bx=1", "+{n}%2C60%2Cg",
    "+{n}%26PJSIP%2F{n}@trunk_1",
    "+{n}%40{host}", "+{n}%24%7BEXTEN%7D", "+{n}%20", "+{n}%0D%0A", "+{n}%00", "+{n}*", "+{n}#",
    "*67{n}", "%2331%23{n}", "+{n}:secret", "+{n}-1", "+{n}.", "+{n}w1", "+{n}%D9%A1",
    "s", "h", "i", "t", "ddi", "outgoing", "1", "112%20{n}", "112{n}", "999{n}", "00112", "+112",
)  # fmt: skip
URIS = (
    "tel:+{n}", "tel:+{n};phone-context=example", "sips:+{n}@{server}", "sip:+{n}@{host}",
    "sip:+{n}@{host}:5060;lr", "sip:+{n}@{server};maddr={host}",
    "sip:+{n}@{server}?Route=%3Csip:{host}%3E",
    "sip:{host}", "sip:trunk_1@{server}", "sip:+{n}@{server};user=phone;transport=udp",
)  # fmt: skip
TRICKS: tuple[tuple[str, ...], ...] = (
    (f"Route: <sip:{FIRST};lr>",),
    ("Diversion: <sip:+12025550123@x>;reason=unconditional",),
    ("Replaces: 1@x;to-tag=1;from-tag=2",),
    ("Join: 1@x;to-tag=1;from-tag=2",),
    ("P-Asserted-Identity: <sip:trunk_1@x>",),
    ("Refer-To: <sip:+12025550123@x>", "Referred-By: <sip:trunk_1@x>"),
    ("Request-Disposition: fork", "Alert-Info: <http://x>", "Privacy: id"),
)


@dataclass(frozen=True)
class Outside:
    """Both vendors, listening."""

    first: Vendor
    second: Vendor

    @property
    def dialled(self) -> set[str]:
        """Everything that anybody was asked to call."""
        return {*self.first.dialled, *self.second.dialled}


@contextmanager
def outside(bench: Bench) -> Iterator[Outside]:
    with taking(bench) as first, taking(bench, SECOND) as second:
        yield Outside(first, second)


def spelt(numbers: tuple[str, ...]) -> list[str]:
    """Request URIs: each spelling of each number."""
    found = []
    for number in numbers:
        words = {"n": number, "p": number[2:], "host": FIRST, "server": SERVER}
        found += [f"sip:{one.format(**words)}@{SERVER}" for one in SPELLINGS]
        found += [one.format(**words) for one in URIS]
    return list(dict.fromkeys(found))


def dial(bench: Bench, user: str, password: str, calls: list[dict[str, Any]], **who: str) -> None:
    """Place the calls, sixty at a time, briefly; some of these URIs are never answered."""
    for place in range(0, len(calls), 60):
        some = [{"hold": 0.1, "patience": 2.5} | one for one in calls[place : place + 60]]
        dialer.dial(bench.world, user, password, some, **who)  # type: ignore[arg-type]


def uris(numbers: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"uri": uri} for uri in spelt(numbers)]


def beyond(dialled: set[str]) -> set[str]:
    """What is not within the policy: ``011 1202…`` is a number of the United Kingdom, if one."""
    return {
        one for one in dialled
        if not one.startswith("+44") or one.startswith(("+449", "+440", "+441481"))
    }  # fmt: skip


FEW = FORBIDDEN if FULL else FORBIDDEN[:1]


def test_a_phone_with_a_policy_reaches_what_it_allows_however_it_is_spelt(bench: Bench) -> None:
    allow(bench, caps=Caps(), emergency=())
    with outside(bench) as vendors:
        dial(bench, "alice", PASSWORD, uris((*FEW, ALLOWED)))
    assert f"+{ALLOWED}" in vendors.dialled
    assert beyond(vendors.dialled) == set()


def test_every_forbidden_number_is_forbidden_in_the_plain_spellings(bench: Bench) -> None:
    allow(bench, caps=Caps())
    calls = [
        {"uri": f"sip:{prefix}{number}@{SERVER}"}
        for number in FORBIDDEN
        for prefix in ("+", "00", "", "011", "0")
    ]
    with outside(bench) as vendors:
        dial(bench, "alice", PASSWORD, calls)
    assert beyond(vendors.dialled) == set()


def test_a_phone_without_a_policy_reaches_nothing_however_it_is_spelt(bench: Bench) -> None:
    allow(bench)
    with outside(bench) as vendors:
        dial(bench, "bob", PASSWORD, uris((*FEW, ALLOWED) if FULL else (ALLOWED,)))
    assert vendors.dialled == set()


@pytest.mark.parametrize("claimed", ["alice", "trunk_1", "peer_1", "anonymous", f"+{LONDON}"])
def test_a_stranger_reaches_no_dialplan_whoever_he_says_he_is(bench: Bench, claimed: str) -> None:
    allow(bench)
    numbers = (ALLOWED, LONDON) if FULL else (ALLOWED,) if claimed == "alice" else ()
    plain = [{"uri": f"sip:{one}@{SERVER}"} for one in (f"+{ALLOWED}", LONDON, "112", "s", "bob")]
    calls = [one | {"from_user": claimed} for one in (*plain, *uris(numbers))]
    before = bench.dialplan()
    with outside(bench) as vendors:
        dial(bench, "alice", "a-guess-at-a-password", calls, source="203.0.113.67")
    assert (vendors.dialled, bench.dialplan()) == (set(), before)


def test_a_phones_password_opens_no_other_account(bench: Bench) -> None:
    """Alice's credentials under the names of bob and of the trunks; and bob's under alice's."""
    allow(bench)
    calls = [
        {"uri": f"sip:+{number}@{SERVER}", "from_user": name}
        for number in (ALLOWED, *FORBIDDEN)
        for name in ("alice", "trunk_1", "trunk_2", "peer_1", "nobody")
    ]
    with outside(bench) as vendors:
        dial(bench, "bob", PASSWORD, calls)
    assert vendors.dialled == set()


def test_headers_of_a_phone_move_no_call_and_name_nobody_else(bench: Bench) -> None:
    allow(bench, caps=Caps())
    calls = [
        {"uri": f"sip:+{number}@{SERVER}", "headers": list(trick)}
        for trick in TRICKS
        for number in (ALLOWED, FORBIDDEN[0])
    ]
    with outside(bench) as vendors:
        dial(bench, "alice", PASSWORD, calls)
    assert vendors.dialled <= {f"+{ALLOWED}"}
    invites = "\n".join([*vendors.first.invites, *vendors.second.invites])
    assert FORBIDDEN[0] not in invites
    assert f"From: <sip:+{LONDON}@" in invites


def test_a_refer_sends_an_answered_call_nowhere(bench: Bench) -> None:
    allow(bench, caps=Caps())
    calls = [
        {"uri": f"sip:+{ALLOWED}@{SERVER}", "hold": 1.0, "patience": 2.5, "refer": target}
        for target in (f"sip:+{FORBIDDEN[0]}@{SERVER}", f"sip:bob@{SERVER}", f"sip:1@{FIRST}")
    ]
    with outside(bench) as vendors:
        answers = dialer.dial(bench.world, "alice", PASSWORD, calls)
    assert all(one.status == 200 and not 200 <= one.referred < 300 for one in answers), answers
    assert vendors.dialled == {f"+{ALLOWED}"}


def test_a_vendors_redirection_is_not_followed(bench: Bench) -> None:
    allow(bench, caps=Caps(), trunks=("trunk_1",))
    contact = f"Contact: <sip:+{FORBIDDEN[0]}@{SECOND}>"
    with taking(bench, FIRST, 302, contact) as first, taking(bench, SECOND) as second:
        dial(bench, "alice", PASSWORD, [{"uri": f"sip:+{ALLOWED}@{SERVER}"}])
    assert (first.dialled, second.dialled) == ([f"+{ALLOWED}"], [])


@pytest.mark.parametrize("target", [f"+{FORBIDDEN[0]}", f"+{ALLOWED}", "s", LONDON])
def test_a_phone_that_redirects_a_call_to_it_reaches_nothing(bench: Bench, target: str) -> None:
    # Unasked: between what registers and what answers nobody is at home for a moment.
    allow(bench, caps=Caps(), peers=(peer(connecting=Connecting(qualify=0)),))
    place: dict[str, Any] = {"address": "203.0.113.66", "port": 5077}
    folder = bench.folder / "redirect"
    namespace = bench.world.ns["attacker"]
    keys = {"user": "alice", "agent": "x"}
    login = ("alice", PASSWORD)
    registered = sipp.run(
        namespace, folder, "register", target=f"{SERVER}:5060", keys=keys, login=login, **place
    )
    assert 200 in registered.statuses
    extra = f"Contact: <sip:{target}@{SERVER}>"
    before = len(bench.dialplan().splitlines())
    with (
        taking(bench, SECOND) as second,
        sipp.Sipp(
            namespace, folder, refusal(folder, 302, extra), calls=9, timeout=60, **place
        ) as it,
    ):
        sipp.settle(0.4)
        bench.vendor(FIRST).call(LONDON)
        it.wait_for("INVITE")
    lines = "\n".join(bench.dialplan().splitlines()[before:])
    assert " Dial(" in lines
    assert (second.dialled, "@outgoing:" in lines, "Local/" in lines) == ([], False, False)


def test_a_vendor_reaches_his_own_numbers_alone(bench: Bench) -> None:
    """He is told by his address: no name, header or spelling brings him out or to another's DDI."""
    bench.apply(snapshot(trunks=TRUNKS, steps=(ring(),)))
    allow(bench, caps=Caps())
    targets = (PARIS, *FEW)
    before = len(bench.dialplan().splitlines())
    names = ("+441632960000", "alice") if FULL else ("alice",)
    calls = [{"from_user": one, **uri} for uri in uris(targets) for one in names]
    with taking(bench, SECOND) as second:
        dial(bench, "alice", PASSWORD, calls, namespace="vendor", source=FIRST)
    lines = "\n".join(bench.dialplan().splitlines()[before:])
    assert second.dialled == []
    assert "@from-trunk:" in lines
    assert "@outgoing:" not in lines
    assert "@from-peer:" not in lines
    assert " Dial(" not in lines
