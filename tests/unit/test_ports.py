"""The files of ports that Asterisk's configuration includes."""

import pytest

from ddiweb.deploy.errors import Refused
from peers.realtime import dialplan
from peers.realtime.ports import Ports
from peers.realtime.static import version


def test_each_transport_of_the_static_configuration_is_moved() -> None:
    text = Ports(5070, 12000, 12199).files()["pjsip_ports.conf"]
    assert text.count("5070\n") == 4
    assert "[transport-udp6](+)\nbind = [::]:5070\n" in text


def test_the_idle_transport_makes_room_for_a_sip_port_at_its_place() -> None:
    assert "bind = 127.0.0.1:5058" in Ports(5059, 12000, 12199).files()["pjsip_ports.conf"]


def test_without_iax2_there_is_no_file_for_it() -> None:
    assert Ports(5060, 12000, 12199).files()["iax_ports.conf"] == ""


@pytest.mark.parametrize("ports", [(0, 10000, 20000), (5060, 20000, 10000), (5060, 80, 20000)])
def test_ports_that_no_node_can_have_are_refused(ports: tuple[int, int, int]) -> None:
    with pytest.raises(Refused):
        Ports(*ports)


def test_the_reviewed_dialplan_is_read_whole() -> None:
    lines = dialplan.reviewed("/sounds", 5050)
    assert ("from-trunk", "_[+0-9].", "1", "", "Gosub") in {line[:5] for line in lines}
    assert ("step-announce", "Playback", "/sounds/${SOUND}") in {
        (line[0], *line[4:]) for line in lines
    }


def test_a_line_more_is_told_by_its_context_alone() -> None:
    wanted = dialplan.reviewed("/sounds", 5050)
    extra = ("evil\x1b[2J", "s", "1", "", "System", "rm")
    assert dialplan.compare(wanted | {extra}, wanted) == (
        "~ dialplan [evil??2J]: 1 lines that are not ours, 0 missing",
    )


def test_a_line_that_was_changed_is_both_more_and_missing() -> None:
    wanted = dialplan.reviewed("/sounds", 5050)
    line = min(wanted)
    other = wanted - {line} | {(*line[:5], "other")}
    (said,) = dialplan.compare(other, wanted)
    assert said == f"~ dialplan [{line[0]}]: 1 lines that are not ours, 1 missing"


def test_the_version_names_the_templates() -> None:
    assert len(version()) == 16
