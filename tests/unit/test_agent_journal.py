"""Amendments on the disk: they count beside their own whole intent, torn or not."""

import dataclasses
from pathlib import Path

import pytest

from ddiweb.deploy.errors import Refused
from firewall.agent.journal import amended
from firewall.agent.state import State
from firewall.ruleset.types import Intent, Token

SITE = "ddi-journalt-"
FIRST, SECOND, THIRD = (
    Token(mark, SITE + "a" * 25 + letter) for mark, letter in enumerate("abc", 1)
)
PLAIN = Intent(
    generation=1, sip_port=5060, rtp_first=10_000, rtp_last=10_100, management=(),
    management_ports=(), vendors=(), bans=(), site_prefix=SITE, tokens=(FIRST, SECOND),
    revoked=(),
)  # fmt: skip


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path)
    made.stage(PLAIN)
    made.keep()
    return made


def amend(state: State, add: list[Token], drop: list[int]) -> None:
    assert state.current is not None
    with state.noted(add, drop):
        state.amend(amended(state.current.intent, add, drop)[0])


def marks(folder: Path) -> tuple[list[int], list[int]]:
    found = State(folder).current
    assert found is not None
    return [token.mark for token in found.intent.tokens], list(found.intent.revoked)


def test_amendments_are_there_after_a_death(state: State, tmp_path: Path) -> None:
    amend(state, [THIRD], [])
    amend(state, [], [1])
    assert marks(tmp_path) == ([2, 3], [1])


def test_a_line_that_was_torn_by_a_death_never_was(state: State, tmp_path: Path) -> None:
    amend(state, [THIRD], [])
    path = tmp_path / "amended.jsonl"
    path.write_bytes(path.read_bytes() + b'{"edition":"x","add":[],"dr')
    torn = State(tmp_path)
    amend(torn, [], [2])
    assert marks(tmp_path) == ([1, 3], [2])


def test_what_did_not_come_about_is_taken_back(state: State, tmp_path: Path) -> None:
    amend(state, [THIRD], [])
    with pytest.raises(ZeroDivisionError), state.noted([], [1]):
        raise ZeroDivisionError
    assert marks(tmp_path) == ([1, 2, 3], [])


def test_a_newer_whole_intent_ends_the_lines_of_the_one_before(
    state: State, tmp_path: Path
) -> None:
    amend(state, [THIRD], [])
    kept = (tmp_path / "amended.jsonl").read_bytes()
    state.stage(dataclasses.replace(PLAIN, generation=2))
    state.keep()
    (tmp_path / "amended.jsonl").write_bytes(kept)  # it died before it removed them
    assert marks(tmp_path) == ([1, 2], [])


@pytest.mark.parametrize("text", [b"{\n", b"[]\n", b"\xff\n", b'{"edition":1}\n'])
def test_damage_is_said_and_leaves_the_whole_intent(
    state: State, tmp_path: Path, text: bytes
) -> None:
    (tmp_path / "amended.jsonl").write_bytes(text)
    found = State(tmp_path)
    assert found.current is not None
    assert found.current.intent == PLAIN


def test_a_disk_that_can_not_be_written_refuses(state: State, tmp_path: Path) -> None:
    (tmp_path / "amended.jsonl").mkdir()
    with pytest.raises(Refused, match="can't be written"):
        amend(state, [THIRD], [])


def test_what_is_so_already_gives_the_same_intent() -> None:
    assert amended(PLAIN, [FIRST], []) == (PLAIN, ())


@pytest.mark.parametrize(
    ("add", "drop"),
    [([Token(1, THIRD.value)], []), ([THIRD], [3]), ([Token(3, SECOND.value)], [])],
    ids=["another value", "added and dropped", "a value twice"],
)
def test_a_contradiction_is_refused(add: list[Token], drop: list[int]) -> None:
    with pytest.raises(Refused):
        amended(PLAIN, add, drop)
