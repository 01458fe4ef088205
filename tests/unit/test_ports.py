"""The files of ports that Asterisk's configuration includes."""

import re
import shutil
from pathlib import Path

import pytest

from ddiweb.deploy.errors import Refused
from peers.realtime import dialplan
from peers.realtime.ports import Ports
from peers.realtime.static import TEMPLATES, version


def test_each_transport_of_the_static_configuration_is_moved() -> None:
    static = re.findall(r"\n\[(transport-\w+)\]\n", (TEMPLATES / "pjsip.conf").read_text())
    text = Ports(5070, 12000, 12199).files()["pjsip_ports.conf"]
    moved = re.findall(r"\n\[(\S+)\]\(\+\)\nbind = (\S+)(?=\n)", text)
    every = ["0.0.0.0:5070", "[::]:5070"]
    assert moved == list(zip(static, [*every, *every, "127.0.0.1:5059", "[::1]:5059"], strict=True))


def test_the_idle_transport_makes_room_for_a_sip_port_at_its_place() -> None:
    assert "bind = 127.0.0.1:5058" in Ports(5059, 12000, 12199).files()["pjsip_ports.conf"]


def test_the_ports_of_audio_and_of_iax2_are_written() -> None:
    files = Ports(5060, 12000, 12199, 4570).files()
    assert files["rtp_ports.conf"].partition("\n")[2] == "rtpstart = 12000\nrtpend = 12199\n"
    assert files["iax_ports.conf"].partition("\n")[2] == "bindport = 4570\n"


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


def test_the_lines_of_an_extension_are_numbered_from_one_and_keep_their_labels() -> None:
    lines = dialplan.reviewed("/sounds", 5050)
    numbers: dict[tuple[str, str], list[int]] = {}
    for context, extension, number, *_ in lines:
        numbers.setdefault((context, extension), []).append(int(number))
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in numbers.values())
    labels = re.findall(r"\bn\(([a-z0-9-]+)\),", (TEMPLATES / "extensions.conf").read_text())
    assert sorted(filter(None, (line[3] for line in lines))) == sorted(labels)


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


def test_a_line_less_is_told() -> None:
    wanted = dialplan.reviewed("/sounds", 5050)
    line = min(wanted)
    (said,) = dialplan.compare(wanted - {line}, wanted)
    assert said == f"~ dialplan [{line[0]}]: 0 lines that are not ours, 1 missing"


def test_another_template_is_another_version(tmp_path: Path) -> None:
    shutil.copytree(TEMPLATES, tmp_path, dirs_exist_ok=True)
    same = version(tmp_path)
    with (tmp_path / "rtp.conf").open("a") as file:
        file.write("; another\n")
    assert (same, version(tmp_path) != same) == (version(), True)
