"""Names from outside: addresses, answers and what is remembered."""

import socket
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from peers.callernames import names, template
from peers.callernames.answer import LONGEST, name_in
from peers.callernames.fetch import FetchError, Lookup, fetch, literal, refused
from peers.callernames.names import Names

LOOKUP = Lookup("https://names.example/{number}")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://names.example/{number}", "https://names.example/", "https://{number}.example/",
        "https://names.example/{number}/{number}", "https://user:key@names.example/{number}",
        "https://names.example/{number}#x", "https://names.example/{number}{x}", "//x/{number}",
        "https:///{number}", "https://names.example:0/{number}", "file:///etc/{number}",
        "https://names.example:99999/{number}", "https://na mes.example/{number}",
        "https://names.example/{number}\r\nX: y", "https://-x/{number}", "https://é.example/{number}",
        "https://[fe80::1%25eth0]/{number}", "https://names.example/" + "x" * 300 + "{number}",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_service_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|begins|holds|names|needs) "):
        template.split(url)


def test_digits_go_into_their_place_and_nothing_else_does() -> None:
    parts = template.split("https://[2001:db8::1]:8443/v1/+{number}?key=a%20b&x=1")
    assert template.target(parts, "441632960111") == "/v1/+441632960111?key=a%20b&x=1"
    for bad in ("", "44", "+44163", "4416\r\n", "44/../..", "٤٤٤٤٤", "4" * 16):
        with pytest.raises(ValueError, match="number"):
            template.target(parts, bad)


@pytest.mark.parametrize(
    ("body", "field", "name"),
    [
        (b"Ada Lovelace\r\nX: y", "", "Ada Lovelace"),
        (b"\n\n  Ada\t  L \n", "", "Ada L"),
        ('E" <sip:x@y>;${SHELL(id)}\\,^`\x00\x1b\u202e\u2028'.encode(), "", "E sip:x@ySHELL(id)"),
        ("Zoë Ω 李".encode(), "", "Zoë Ω 李"),
        (b"\xff\xfeAda", "", "Ada"),
        (b"A" * 100, "", "A" * LONGEST),
        (b"", "", ""),
        (b'{"a": {"b": ["x", {"name": "Ada"}]}}', "a.b.1.name", "Ada"),
        (b'{"a": {"b": ["x"]}}', "a.b.7", ""),
        (b'{"a": 7}', "a", ""),
        (b'{"a": null}', "a.b", ""),
        (b'"Ada"', "a", ""),
        (b'{"a": "Ada\\r\\n\\u0000B"}', "a", "Ada B"),
    ],
)  # fmt: skip
def test_an_answer_becomes_a_name_that_a_phone_can_show(body: bytes, field: str, name: str) -> None:
    assert name_in(body, field) == name


@pytest.mark.parametrize("body", [b"{", b"[" * 16_000, b"<html>"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        name_in(body, "name")


@pytest.mark.parametrize(
    ("address", "never", "inside"),
    [
        ("198.51.100.7", False, False), ("2001:db8::7", False, False), ("127.0.0.1", True, False),
        ("::1", True, False), ("10.1.2.3", True, False), ("192.168.1.1", True, False),
        ("100.64.0.1", True, False), ("fd00::1", True, False), ("169.254.169.254", True, True),
        ("fd00:ec2::254", True, True), ("100.100.100.200", True, True),
        ("168.63.129.16", True, True), ("::1:2", True, True),
        ("fe80::1", True, True), ("::ffff:127.0.0.1", True, True), ("64:ff9b::7f00:1", True, True),
        ("0.0.0.0", True, True), ("224.0.0.1", True, True), ("2002:7f00:1::", True, True),  # noqa: S104
    ],
)  # fmt: skip
def test_where_nothing_is_sent(address: str, never: bool, inside: bool) -> None:
    assert bool(refused(address, private_allowed=False)) is never
    assert bool(refused(address, private_allowed=True)) is inside


@pytest.mark.parametrize(
    ("host", "never", "inside"),
    [
        ("names.example", False, False), ("198.51.100.7", False, False), ("10.1.2.3", True, False),
        ("127.1", True, False), ("2130706433", True, False), ("0x7f.1", True, False),
        ("012.1.2.3", True, False), ("localhost", True, False), ("a.localhost", True, False),
        ("::1", True, False), ("fd00:ec2::254", True, True), ("169.254.43518", True, True),
        ("2852039166", True, True), ("::ffff:10.1.2.3", True, True), ("1a", False, False),
    ],
)  # fmt: skip
def test_a_host_that_needs_no_dns_is_judged_at_once(host: str, never: bool, inside: bool) -> None:
    assert bool(literal(host, private_allowed=False)) is never
    assert bool(literal(host, private_allowed=True)) is inside


def test_where_nobody_listens_the_fault_names_port_and_cause() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        lookup = Lookup(f"http://127.0.0.1:{port}/{{number}}", private_allowed=True)
        with pytest.raises(FetchError, match=f"at port {port}: nobody listens there"):
            fetch(lookup, "441632960111")


def test_where_no_tls_is_spoken_the_fault_names_port_and_cause() -> None:
    def answer() -> None:
        with server.accept()[0] as line:
            line.recv(4096)
            line.sendall(b"HTTP/1.0 400 Bad\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=answer).start()
        lookup = Lookup(f"https://127.0.0.1:{port}/{{number}}", private_allowed=True)
        with pytest.raises(FetchError, match=f"^port {port}: it speaks no TLS"):
            fetch(lookup, "441632960111")


def test_a_key_goes_in_clear_to_private_addresses_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    place = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("198.51.100.7", 80))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [place])
    inside = Lookup("http://names.example/{number}", "Bearer x", private_allowed=True)
    with pytest.raises(FetchError, match="by https only"):
        fetch(inside, "441632960111")


def test_no_secret_is_shown_by_a_look_up() -> None:
    assert "hidden" not in repr(replace(LOOKUP, authorization="Bearer hidden"))


class Service:
    """Counts what it is asked; its answer and its clock are set by the test."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.now = 1000.0
        self.answer: Any = "Ada"
        self.names = Names(self.ask, lambda: self.now)
        self.names.use(LOOKUP)

    def ask(self, lookup: Lookup, digits: str) -> str:
        self.asked.append(digits)
        if isinstance(self.answer, Exception):
            raise self.answer
        return str(self.answer)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [("Ada", LOOKUP.keep), ("", names.UNKNOWN), (FetchError("it is down"), names.FAILED)],
)
def test_an_answer_is_remembered_for_its_time(
    service: Service, answer: Any, seconds: float
) -> None:
    service.answer = answer
    for elapsed, count in ((0, 1), (seconds - 1, 1), (seconds + 1, 2)):
        service.now = 1000.0 + elapsed
        service.names.name("441632960111")
        assert len(service.asked) == count


def test_no_more_numbers_are_remembered_than_there_is_room_for(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MOST_KNOWN", 2)
    for digits in ("4411", "4412", "4411", "4413", "4411", "4412"):
        service.names.name(digits)
    assert service.asked == ["4411", "4412", "4413", "4412"]


def test_a_service_that_fails_again_and_again_is_left_alone_for_a_while(service: Service) -> None:
    service.answer = FetchError("it is down")
    for number in range(10):
        assert service.names.name(f"44{number}0") == ""
    assert (len(service.asked), service.names.health.fault) == (names.FAILURES, "it is down")
    service.now, service.answer = service.now + names.REST + 1, "Ada"
    assert service.names.name("4499") == "Ada"
    assert service.names.health.fault == ""


def test_a_stranger_with_ever_new_numbers_costs_so_much_a_minute(service: Service) -> None:
    service.names.use(replace(LOOKUP, a_minute=5))
    for number in range(20):
        service.names.name(f"44{number:03}")
    assert len(service.asked) == 5
    service.now += 61
    assert service.names.name("44999") == "Ada"


def test_other_settings_forget_what_the_old_ones_said(service: Service) -> None:
    service.names.name("4411")
    service.names.use(replace(LOOKUP, json_field="name"))
    service.names.name("4411")
    service.names.use(None)
    assert service.names.name("4411") == ""
    assert len(service.asked) == 2


def test_two_calls_of_one_caller_at_once_are_one_question() -> None:
    asked, go = [], threading.Event()

    def ask(lookup: Lookup, digits: str) -> str:
        asked.append(digits)
        go.wait(10)
        return "Ada"

    found: list[str] = []
    kept = Names(ask)
    kept.use(replace(LOOKUP, seconds=10))
    calls = [threading.Thread(target=lambda: found.append(kept.name("4411"))) for _ in range(3)]
    for call in calls:
        call.start()
    go.set()
    for call in calls:
        call.join(10)
    assert (asked, found) == (["4411"], ["Ada"] * 3)


def test_who_is_not_answered_in_time_goes_on_without_a_name() -> None:
    go = threading.Event()
    kept = Names(lambda lookup, digits: str(go.wait(10)))
    kept.use(replace(LOOKUP, seconds=0.05))
    began = time.monotonic()
    assert kept.name("4411") == ""
    assert time.monotonic() - began < 4
    go.set()


def test_a_call_beyond_the_questions_under_way_asks_none() -> None:
    asked, go = [], threading.Event()

    def ask(lookup: Lookup, digits: str) -> str:
        asked.append(digits)
        go.wait(10)
        return "Ada"

    kept = Names(ask)
    kept.use(replace(LOOKUP, seconds=0.05))
    every = [f"44{number}" for number in range(100, 101 + names.WORKERS)]
    assert {kept.name(one) for one in every} == {""}
    go.set()
    kept._pool.shutdown()
    assert sorted(asked) == every[:-1]
