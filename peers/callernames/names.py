"""Names that were asked for, kept for a while; and how often an outside service is asked.

Whatever goes wrong is the same to a call: there is no name.
"""

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from peers.callernames.fetch import FetchError, Lookup, fetch

log = logging.getLogger(__name__)

#: Numbers that are remembered; whoever was asked for least lately goes first.
MOST_KNOWN = 10_000
#: Questions under way at once; a call beyond them goes on without a name.
WORKERS = 8
#: Seconds: how long no name is remembered where the service knows none, and where it failed.
UNKNOWN, FAILED = 86_400.0, 60.0
#: A service that failed so often in a row is left alone for so long: no call waits for it.
FAILURES, REST = 3, 30.0
#: Seconds that a person's question may take beyond the look-up's own, so that its fault is told.
SLACK = 0.5


@dataclass(frozen=True)
class Health:
    """How the service fared: when it last answered (seconds of ``clock``), and what is wrong."""

    answered: float | None = None
    fault: str = ""


class Names:
    """Safe in threads."""

    def __init__(
        self,
        ask: Callable[[Lookup, str], str] = fetch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._clock = ask, clock
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="names")
        self._lookup: Lookup | None = None
        self._forget()

    def _forget(self) -> None:
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._jobs: dict[str, Future[str]] = {}
        self._asked: deque[float] = deque()
        self._failures, self._rests_until = 0, 0.0
        self.health = Health()

    def use(self, lookup: Lookup | None) -> None:
        """Ask in this way from now on; another way than before forgets all names."""
        with self._lock:
            if lookup != self._lookup:
                self._lookup = lookup
                self._forget()

    def name(self, digits: str) -> str:
        """Return the name of a caller, or nothing, within the look-up's seconds."""
        with self._lock:
            lookup = self._lookup
            if lookup is None:
                return ""
            now = self._clock()
            until, name = self._known.get(digits, (0.0, ""))
            if until > now:
                self._known.move_to_end(digits)
                return name
            job = self._jobs.get(digits)
            if job is None:
                if not self._may_ask(lookup, now):
                    return ""
                self._asked.append(now)
                job = self._pool.submit(self._find, lookup, digits)
                self._jobs[digits] = job
        try:
            return job.result(lookup.seconds)
        except TimeoutError:
            return ""

    def attempt(self, lookup: Lookup, digits: str) -> tuple[str, str]:
        """Ask once, for a person: the name and the fault, at least one of them empty.

        By the rules of a call, but for the rest after failures: nothing that is remembered is used
        or changed. It counts among the questions of the minute.
        """
        with self._lock:
            now = self._clock()
            self._drop_old(now)
            if len(self._asked) >= lookup.a_minute:
                return "", f"it was asked {lookup.a_minute} times within a minute, the most allowed"
            self._asked.append(now)
            job = self._pool.submit(self._ask, lookup, digits)
        try:
            return job.result(lookup.seconds + SLACK), ""
        except FetchError as error:
            return "", str(error)
        except TimeoutError:
            return "", "it did not answer in time"
        except Exception:  # the thread that asks also follows the settings: it must live
            log.exception("names of callers: a trial failed")
            return "", "it failed as nobody foresaw"

    def _drop_old(self, now: float) -> None:
        while self._asked and self._asked[0] <= now - 60:
            self._asked.popleft()

    def _may_ask(self, lookup: Lookup, now: float) -> bool:
        """Each question may cost money, and a stranger may call with ever new numbers."""
        self._drop_old(now)
        return (
            len(self._jobs) < WORKERS
            and now >= self._rests_until
            and len(self._asked) < lookup.a_minute
        )

    def _find(self, lookup: Lookup, digits: str) -> str:
        fault, name = "it failed as nobody foresaw", ""
        try:
            name, fault = self._ask(lookup, digits), ""
        except FetchError as error:
            fault = str(error)
        finally:
            with self._lock:
                if lookup == self._lookup:
                    self._note(lookup, digits, name, fault)
        return name

    def _note(self, lookup: Lookup, digits: str, name: str, fault: str) -> None:
        now = self._clock()
        self._jobs.pop(digits, None)
        if fault:
            self._failures += 1
            if self._failures >= FAILURES:
                self._rests_until = now + REST
            self.health = Health(self.health.answered, fault)
        else:
            self._failures = 0
            self.health = Health(now)
        keep = FAILED if fault else lookup.keep if name else min(lookup.keep, UNKNOWN)
        self._known[digits] = now + keep, name
        self._known.move_to_end(digits)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def close(self) -> None:
        """Begin no more questions."""
        self._pool.shutdown(wait=False, cancel_futures=True)
