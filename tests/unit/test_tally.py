"""Counting failures, and telling a phone that moves from a token that many have."""

import pytest

from firewall.tally import IN_USE, MOST_KEYS, Places, Window, place

pytestmark = pytest.mark.unit
MARK = 7
#: Seconds for which conntrack knows a flow that had answers (nf_conntrack_udp_timeout_stream).
KERNEL_REMEMBERS = 120


def test_a_window_slides() -> None:
    window: Window[str] = Window(10)
    assert [len(window.add("a", at, "x")) for at in (0, 5, 9.9, 10, 15, 40)] == [1, 2, 3, 3, 3, 1]


def test_one_address_does_not_count_for_another() -> None:
    window: Window[str] = Window(10)
    window.add("a", 0, "x")
    assert window.add("b", 1, "y") == ["y"]


def test_a_flood_of_addresses_fills_no_memory_and_forgets_the_oldest() -> None:
    window: Window[int] = Window(1e9)
    for key in range(MOST_KEYS + 10):
        window.add(key, 0, 1)
    assert (window.has(0, 1), window.has(MOST_KEYS + 9, 1)) == (False, True)


def test_what_happened_is_known_for_the_window_alone() -> None:
    window: Window[None] = Window(10)
    window.add("a", 0, None)
    assert (window.has("a", 9), window.has("a", 11), window.has("b", 1)) == (True, False, False)


def test_a_place_is_a_24_or_a_48() -> None:
    assert place("198.51.100.77") == "198.51.100.0/24"
    assert place("2001:db8:1:2::3") == "2001:db8:1::/48"


def watched(stays: dict[str, list[tuple[float, float]]], every: float = 10) -> int:
    """The most places at once, if packets come every 15 s within each stay, by a look each 10 s."""
    packets = {
        name: sorted({min(first + 15 * n, last) for first, last in spans for n in range(200)})
        for name, spans in stays.items()
    }
    end = max(times[-1] for times in packets.values())
    places, most, now = Places(), 0, 0.0
    while now < end + every:
        now += every
        seen = {}
        for name, times in packets.items():
            last = max((at for at in times if at <= now), default=None)
            if last is not None and now - last < KERNEL_REMEMBERS:
                seen[name] = int(now - last)
        found = places.look(now, {MARK: seen} if len(seen) > 1 else {})
        most = max(most, len(found.get(MARK, [])))
    return most


@pytest.mark.parametrize("every", [5, 20, 30, 60, 90])
def test_a_phone_that_moves_is_never_in_many_places(every: int) -> None:
    stays = {f"10.0.{n}.0/24": [(n * every, (n + 1) * every - 0.5)] for n in range(40)}
    assert watched(stays) <= 1


def test_a_phone_that_swings_between_two_networks_is_in_two_at_most() -> None:
    stays = {
        name: [(start + 30 * n, start + 30 * n + 14) for n in range(20)]
        for name, start in (("wifi", 0.0), ("mobile", 15.0))
    }
    assert watched(stays) <= 2


def test_a_carrier_that_gives_each_registration_another_address_is_no_leak() -> None:
    stays = {
        f"10.0.{n}.0/24": [(90 * k + 15 * n, 90 * k + 15 * n) for k in range(8)] for n in range(6)
    }
    assert watched(stays) <= 1


@pytest.mark.parametrize("count", [4, 5, 9])
def test_a_token_in_use_in_many_places_at_once_is_seen(count: int) -> None:
    assert watched({f"10.0.{n}.0/24": [(3 * n, 120)] for n in range(count)}) == count


def test_a_token_used_for_a_moment_in_many_places_is_not_enough() -> None:
    assert watched({f"10.0.{n}.0/24": [(n, n + IN_USE - 1)] for n in range(9)}) <= 1


def test_tokens_do_not_add_up() -> None:
    places = Places()
    for now in range(0, 60, 10):
        found = places.look(now, {mark: {"a": 0, f"b{mark}": 0} for mark in range(9)})
    assert {len(one) for one in found.values()} == {2}


def test_a_token_that_is_in_one_place_again_is_forgotten() -> None:
    places = Places()
    for now in range(0, 60, 10):
        places.look(now, {MARK: {"a": 0, "b": 0}})
    places.look(60, {})
    assert places.look(70, {MARK: {"a": 0, "c": 0}})[MARK] == []


def test_a_token_from_very_many_places_does_not_stop_the_watch() -> None:
    """Datagrams with a token may name any source: to compare 50,000 took minutes."""
    places, many = Places(), {f"place {number}": 0 for number in range(50_000)}
    for now in (0, 30):
        found = places.look(now, {MARK: many})
    assert len(found[MARK]) == 50_000
