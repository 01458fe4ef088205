"""Countries' networks from a file in the form of tor-geoipdb."""

import ipaddress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firewall.agent.places import Atlas
from firewall.ruleset.countries import Places, read
from firewall.ruleset.diff import brief, set_commands
from firewall.ruleset.parse import SetDump, parse_headers
from firewall.ruleset.rules import AddressSet
from firewall.ruleset.values import Invalid

pytestmark = pytest.mark.unit
V4 = [
    "# comment, GB\n",
    "16777216,16777471,AU\n",
    "3221225984,3221226239,GB\n",  # 192.0.2.0/24
    "3221226240,3221226240,GB\n",  # and its neighbour
    "3405803776,3405803776,FR\n",
]


def test_neighbours_become_one_range_and_few_networks() -> None:
    assert read(V4, ["GB"], 4).networks == ("192.0.2.0/24", "192.0.3.0/32")


def test_several_countries_are_one_list() -> None:
    found = read(V4, ["FR", "AU"], 4)
    assert found.networks == ("1.0.0.0/24", "203.0.113.0/32")
    assert found.block().mark != read(V4, ["FR"], 4).block().mark


def test_ipv6_is_read_as_text() -> None:
    lines = ["2001:db8::,2001:db8:0:ffff:ffff:ffff:ffff:ffff,GB\n"]
    assert read(lines, ["GB"], 6).networks == ("2001:db8::/48",)


def test_a_country_without_ipv6_has_none() -> None:
    assert read([], ["GB"], 6).networks == ()


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["x,3221226239,GB\n"],
        ["3221226239,3221225984,GB\n"],
        ["1,2,3,GB\n"],
        ["1,99999999999,GB\n"],
        ["-1,2,GB\n"],
        ["\u0661,2,GB\n"],
    ],
    ids=["missing", "letters", "backwards", "four", "too high", "negative", "other digits"],
)
def test_a_file_out_of_form_is_refused(lines: list[str]) -> None:
    with pytest.raises(Invalid, match=r"\Acountries: "):
        read(lines, ["GB"], 4)


_ends = st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=12, unique=True).map(sorted)


@given(_ends)
def test_networks_hold_just_the_addresses_of_the_file(ends: list[int]) -> None:
    pairs = list(zip(ends[::2], ends[1::2], strict=False))
    lines = [f"{first},{last},GB\n" for first, last in pairs]
    places = read(lines, ["GB"], 4)
    nets = [ipaddress.ip_network(net) for net in places.networks]
    held = sum(net.num_addresses for net in nets)
    missing = sum(last - first + 1 for first, last in places.ranges) - held
    assert missing in {0, 2**32}  # all of IPv4 is no set's member
    for number in {*ends, *(end + 1 for end in ends if end < 2**32 - 1)}:
        inside = any(first <= number <= last for first, last in pairs)
        assert places.hold(str(ipaddress.ip_address(number))) is inside


def test_a_set_that_holds_as_many_as_it_should_is_right() -> None:
    block = read(V4, ["GB"], 4).block()
    wanted = AddressSet(f"ddi-land4-{block.mark}", "hash:net", 4, None, None, block)
    made = set_commands(wanted, None)
    assert [line.split()[0] for line in made] == ["create", "add", "add"]
    assert set_commands(wanted, SetDump("hash:net", {}, frozenset(), count=2)) == []
    assert set_commands(wanted, SetDump("hash:net", {}, frozenset(), count=1))[0].startswith(
        "flush"
    )
    assert brief(made)[1:] == [f"add 2 networks to {wanted.name}"]


def test_a_terse_list_tells_counts() -> None:
    text = (
        "Name: ddi-land4-0123456789ab\nType: hash:net\nHeader: family inet\n"
        "Number of entries: 43080\n\nName: other\nType: hash:ip\nNumber of entries: 1\n"
    )
    assert {name: one.count for name, one in parse_headers(text).items()} == {
        "ddi-land4-0123456789ab": 43080
    }


class TestAtlas:
    """The agent's own files."""

    def test_reads_a_file_once_until_it_changes(self, tmp_path: Path) -> None:
        file = tmp_path / "geoip"
        file.write_text("".join(V4))
        atlas = Atlas({4: file})
        first = atlas.places(("GB",), 4)
        assert atlas.places(("GB",), 4) is first
        file.write_text("".join(V4[:3]))
        second: Any = atlas.places(("GB",), 4)
        assert second == Places(4, ((3221225984, 3221226239),))

    def test_needs_no_file_without_countries(self) -> None:
        assert Atlas({}).places((), 4) is None

    @pytest.mark.parametrize("files", [{}, {4: Path("/nonexistent/geoip")}], ids=["none", "gone"])
    def test_names_the_remedy_where_no_file_is(self, files: Any) -> None:
        with pytest.raises(Invalid, match="install tor-geoipdb"):
            Atlas(files).places(("GB",), 4)
