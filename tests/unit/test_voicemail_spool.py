"""What a message's files say, and what a caller's name can make of them: nothing."""

from pathlib import Path

import pytest

from peers.voicemail import spool

TEXT = """;
; Message Information file
;
[message]
origmailbox=box_1
context=ddi
exten=s
callerid="London" <+441632960111>
origdate=Tue Nov 24 09:04:30 PM UTC 2026
origtime=1795554270
category=442079460123
msg_id=1795554270-00000003
flag=
duration=4
"""


def keep(root: Path, text: str, *, box: str = "box_1", folder: str = "INBOX") -> Path:
    place = root / "ddi" / box / folder
    place.mkdir(parents=True)
    (place / "msg0000.wav").write_bytes(b"RIFF....WAVE")
    (place / "msg0000.txt").write_text(text)
    return place


def test_a_message_is_read_from_its_text(tmp_path: Path) -> None:
    place = keep(tmp_path, TEXT)
    assert list(spool.read(tmp_path)) == [
        spool.Message(
            "box_1", "INBOX", "1795554270-00000003", "+441632960111", "442079460123", 1795554270, 4,
            place / "msg0000.wav",
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ['"x" <+1>\nmsg_id=../../x', '"=msg_id=1-2" <a>', '"<+49>" <>', "[message]\nduration=9999"],
)
def test_a_callers_name_changes_nothing_but_the_number(tmp_path: Path, name: str) -> None:
    keep(tmp_path, TEXT.replace('"London" <+441632960111>', name))
    found = list(spool.read(tmp_path))
    assert [(one.id, one.seconds, one.number) for one in found] == [
        ("1795554270-00000003", 4, "442079460123")
    ]


def test_what_is_no_message_is_left_alone(tmp_path: Path) -> None:
    keep(tmp_path, TEXT, box="../box_1")
    keep(tmp_path, TEXT, box="1000")
    keep(tmp_path, TEXT.replace("msg_id", "other"), box="box_2")
    assert list(spool.read(tmp_path)) == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"RIFF secret")
    place = keep(tmp_path, TEXT)
    (place / "msg0000.wav").unlink()
    (place / "msg0000.wav").symlink_to(secret)
    assert [spool.audio(one) for one in spool.read(tmp_path)] == [None]
