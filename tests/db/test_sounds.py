"""Uploaded sounds: converted or refused, by form and API, down to the node's files."""

import io
import math
import struct
import wave
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile

from ddiweb.deploy.models import Node
from lab.tone import heard_in
from peers.models import Sound
from peers.sounds.convert import LONGEST, convert
from peers.sounds.target import SoundsTarget
from tests import factories
from tests.db import api, panel

pytestmark = [pytest.mark.db, pytest.mark.django_db]

#: One second of 700 Hz, MPEG-1 layer III, 44.1 kHz, 32 kbit/s, one channel.
MP3 = Path(__file__).with_name("tone700.mp3")


def tone(hz: int = 700, rate: int = 44100, channels: int = 2, seconds: float = 1.0) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        one = [int(9000 * math.sin(2 * math.pi * hz * n / rate)) for n in range(rate)]
        second = b"".join(struct.pack("<h", value) * channels for value in one)
        file.writeframes(second * math.ceil(seconds))
    return made.getvalue()


@pytest.fixture
def node() -> Node:
    return factories.node(slug="london")


@pytest.mark.parametrize("data", [tone(), MP3.read_bytes()], ids=["wav", "mp3"])
def test_a_file_becomes_what_asterisk_plays(data: bytes, tmp_path: Path) -> None:
    made = convert(data)
    file = tmp_path / "x.wav"
    file.write_bytes(made.wav)
    with wave.open(str(file)) as sound:
        form = (sound.getnchannels(), sound.getsampwidth(), sound.getframerate())
    assert (form, abs(heard_in(file).hz - 700) <= 20) == ((1, 2, 8000), True)
    assert 0.9 < made.seconds < 1.3


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "neither a WAV nor an MP3"),
        (b"OggS" + bytes(500), "neither a WAV nor an MP3"),
        (b"#!/bin/sh\nreboot\n", "neither a WAV nor an MP3"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt " + bytes(60), "can't be read"),
        (b"ID3" + bytes(4000), "can't be read"),
        (tone()[:44], "holds no sound"),
        (bytes(10 * 1024 * 1024 + 1), "larger than 10 MB"),
        (tone(rate=4000, channels=1, seconds=LONGEST + 2), "longer than 300 seconds"),
    ],
    ids=["nothing", "ogg", "script", "broken wav", "broken mp3", "no sound", "large", "long"],
)
def test_what_is_no_sound_is_refused_with_its_fault(data: bytes, fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        convert(data)


def test_a_sound_of_the_panel_reaches_the_nodes_folder(node: Node, tmp_path: Path) -> None:
    file = SimpleUploadedFile("../../evil.sh", tone(), "text/x-shellscript")
    form = {"node": node.pk, "name": "Closed", "file": file}
    assert panel.faults(panel.client().post("/peers/sound/add/", form)) == ""
    target = SoundsTarget(tmp_path)
    desired = target.render(node)
    target.apply(node, desired, target.diff(node, desired, target.read(node)), 1)
    assert target.verify(node, desired) == []
    sound = Sound.objects.get()
    assert [path.name for path in tmp_path.iterdir()] == [f"{sound.key}.wav"]
    assert heard_in(tmp_path / f"{sound.key}.wav").hz == 700


def test_a_changed_file_on_the_node_is_found_and_mended(node: Node, tmp_path: Path) -> None:
    sound = factories.sound(node, tone())
    target = SoundsTarget(tmp_path)
    desired = target.render(node)
    target.apply(node, desired, target.diff(node, desired, target.read(node)), 1)
    (tmp_path / f"{sound.key}.wav").write_bytes(b"other")
    plan = target.diff(node, desired, target.read(node))
    assert plan.lines == (f"+ sound {sound.key}",)


def test_a_bad_file_is_refused_at_its_field_and_changes_nothing(node: Node) -> None:
    file = SimpleUploadedFile("song.mp3", b"no sound at all")
    form = {"node": node.pk, "name": "Closed", "file": file}
    faults = panel.faults(panel.client().post("/peers/sound/add/", form))
    assert ("neither a WAV nor an MP3" in faults, Sound.objects.count()) == (True, 0)


def test_a_sound_is_sent_heard_and_played_by_a_step_over_the_api(node: Node) -> None:
    number = factories.number(factories.trunk(node), "+442079460123", factories.peer(node))
    user = api.client(api.operator())
    file = SimpleUploadedFile("a.wav", tone())
    sent = user.post(
        api.V1 + "sounds/", {"node": "london", "name": "Closed", "file": file}, format="multipart"
    )
    assert sent.status_code == 201, sent.content
    heard = user.get(f"{api.V1}sounds/{sent.json()['id']}/audio/", headers={"Range": "bytes=0-3"})
    assert (heard.status_code, heard.content) == (206, b"RIFF")
    steps = [{"kind": "announce", "sound": sent.json()["id"]}]
    answer = user.patch(f"{api.V1}numbers/{number.pk}/", {"steps": steps})
    assert answer.json()["steps"][0]["sound"] == sent.json()["id"], answer.content


def test_a_step_can_not_play_the_sound_of_another_node(node: Node) -> None:
    number = factories.number(factories.trunk(node), "+442079460123", factories.peer(node))
    other = factories.sound(factories.node(), tone())
    steps = [{"kind": "announce", "sound": other.pk}]
    answer = api.client(api.operator()).patch(f"{api.V1}numbers/{number.pk}/", {"steps": steps})
    assert (answer.status_code, "another node" in answer.content.decode()) == (400, True)


def test_who_may_not_see_sounds_can_not_listen(node: Node) -> None:
    sound = factories.sound(node, tone())
    stranger = panel.client(panel.person("eve", superuser=False))
    assert stranger.get(f"/peers/sound/{sound.pk}/audio.wav").status_code == 403
