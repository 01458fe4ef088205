"""What the agent remembers over its death: the last good intents and the highest fence.

Each file is written whole or not at all (temporary file, fsync, rename, fsync of the folder).
"""

import contextlib
import dataclasses
import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ddiweb.deploy.errors import Failed, Refused
from firewall.agent.doors import own_folder
from firewall.agent.journal import MAX_LINES, Journal, amended, settle
from firewall.ruleset.types import MAX_REVOKED, Intent, Token


@dataclass(frozen=True)
class Good:
    """An intent that was applied and read back, when (Unix time, seconds), under which fence."""

    intent: Intent
    applied_at: float
    fence: int

    def to_json(self) -> dict[str, Any]:
        """For the state file."""
        raw = {"intent": self.intent.to_json(), "applied_at": self.applied_at}
        return raw | {"fence": self.fence}


class State:
    """The state folder. Raises `Refused` if a file can't be written: nothing is applied then."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        own_folder(folder, "state_dir")
        self._journal = Journal(folder / "amended.jsonl")
        self._edition = ""  # names this good.json to the lines of the journal
        self.current, self.previous, self.damage = self._load_good()
        self.fence = self._load_fence()
        self._staged: tuple[Good, Good | None, str] | None = None

    @property
    def lock_path(self) -> Path:
        """The file that is flocked while netfilter is changed."""
        return self._folder / "netfilter.lock"

    def raise_fence(self, fence: int) -> None:
        """Remember a fence before anything is done under it; a lower one is refused."""
        if fence < self.fence:
            raise Refused(
                f"fence: {fence} is older than {self.fence}; a newer deployment took over"
            )
        if fence > self.fence:
            self._write_fresh("fence.json", {"fence": fence})
            self._settle("fence.json")
            self.fence = fence

    def stage(self, intent: Intent, *, way_back: bool = True, fence: int | None = None) -> None:
        """Write what `keep` will make the last good one, before the kernel is touched.

        A full disk is so found while nothing has changed. The good intent before it becomes the
        way back; with `way_back` false (after a rollback) there is none. `fence` is the newest
        one, unless it is of a trial that began under an older one; 0 for what no fence owns.
        """
        before, fence = (
            (self.previous if way_back else None),
            self.fence if fence is None else fence,
        )
        if self.current and self.current.intent.digest() == intent.digest():
            fence = self.current.fence  # a repair: whoever made it has nothing to take back
        elif way_back:
            before = self.current
        current, previous = Good(intent, time.time(), fence), before
        self._staged = (current, previous, secrets.token_hex(8))
        raw = {
            "edition": self._staged[2],
            "current": current.to_json(),
            "previous": previous.to_json() if previous else None,
        }
        self._write_fresh("good.json", raw)

    def keep(self) -> None:
        """What was staged is in force and was read back: it is the last good one now."""
        if self._staged is not None:
            self._settle("good.json")
            (self.current, self.previous, self._edition), self.damage = self._staged, ""
            self._staged = None
            self._journal.end()

    @contextlib.contextmanager
    def noted(self, add: Sequence[Token], drop: Sequence[int]) -> Iterator[None]:
        """Within it an amendment is on the disk; if it ends in an exception, no more."""
        edition = self._edition
        begins = self._journal.append(edition, add, drop)
        try:
            yield
        except BaseException:
            if self._edition == edition:  # else a whole intent took its place
                self._journal.cut(begins)
            raise

    @property
    def amendable(self) -> bool:
        """Whether one more amendment may be noted before a whole intent is written."""
        return self._journal.lines < MAX_LINES and bool(self._edition)

    def amend(self, intent: Intent) -> None:
        """What was noted is in force and was read back: it is part of the last good intent now."""
        if self.current is not None:
            self.current = dataclasses.replace(self.current, intent=intent)

    def write(self, name: str, raw: dict[str, Any]) -> None:
        """Keep something beside the good intents, whole or not at all; it has no part in a boot."""
        self._write_fresh(name, raw)
        self._settle(name)

    def read(self, name: str) -> Any:
        """What `write` kept; None if there is nothing, or nothing that can be read."""
        with contextlib.suppress(OSError, ValueError):
            return json.loads((self._folder / name).read_text(encoding="utf-8"))
        return None

    def forget(self, name: str) -> None:
        """Remove what `write` kept."""
        with contextlib.suppress(OSError):
            (self._folder / name).unlink(missing_ok=True)

    def _load_good(self) -> tuple[Good | None, Good | None, str]:
        try:
            raw = json.loads((self._folder / "good.json").read_text(encoding="utf-8"))
            current, previous = _good(raw["current"]), _good(raw["previous"])
            self._edition = str(raw.get("edition", ""))
        except FileNotFoundError:
            return None, None, ""
        except (OSError, ValueError, KeyError, TypeError, Refused) as error:
            # Not fatal: the rules in the kernel stay, the panel applies anew.
            return None, None, f"good.json can't be used: {type(error).__name__}"
        if current is None:
            return current, previous, ""
        intent = current.intent
        damage = ""
        try:
            for add, drop in self._journal.load(self._edition):
                intent, _ = amended(intent, add, drop)
        except (OSError, ValueError, KeyError, TypeError, Refused) as error:
            damage = f"amended.jsonl can't be used: {type(error).__name__}"
            self._edition = ""  # the next amendment writes a whole intent
        return dataclasses.replace(current, intent=intent), previous, damage

    def _load_fence(self) -> int:
        try:
            raw = json.loads((self._folder / "fence.json").read_text(encoding="utf-8"))
            return int(raw["fence"])
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, KeyError, TypeError):
            self.damage = self.damage or "fence.json can't be used"
            return 0

    def _write_fresh(self, name: str, raw: dict[str, Any]) -> None:
        fresh = self._folder / f".{name}.new"
        try:
            with os.fdopen(
                os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
            ) as file:
                # Not json.dump: it encodes in Python, 70 times as slow.
                file.write(json.dumps(raw, separators=(",", ":")))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Refused(f"state: {name} can't be written: {error.strerror}") from None

    def _settle(self, name: str) -> None:
        try:
            (self._folder / f".{name}.new").rename(self._folder / name)
            settle(self._folder)
        except OSError as error:
            raise Failed(f"state: {name} can't be written: {error.strerror}") from None


def still_revoked(intent: Intent, current: Intent) -> Intent:
    """`intent` without the tokens that were revoked after it: a rollback never lets them in."""
    revoked = set(current.revoked)
    live = {token.mark for token in current.tokens}
    return dataclasses.replace(
        intent,
        tokens=tuple(token for token in intent.tokens if token.mark not in revoked),
        revoked=tuple(revoked | (set(intent.revoked) - live)),
    )


def without(intent: Intent, marks: Iterable[int]) -> Intent:
    """`intent` with these tokens shut out and their flows cut; the list of the cut stays whole."""
    dead = set(marks)
    older = sorted(set(intent.revoked) - dead, reverse=True)[: MAX_REVOKED - len(dead)]
    return dataclasses.replace(
        intent,
        tokens=tuple(token for token in intent.tokens if token.mark not in dead),
        revoked=(*older, *dead),
    )


def _good(raw: Any) -> Good | None:
    if raw is None:
        return None
    return Good(Intent.from_json(raw["intent"]), float(raw["applied_at"]), int(raw["fence"]))
