"""The states of a deployment and the moves between them; pure, see docs/states.md."""

from enum import StrEnum


class State(StrEnum):
    """Where a deployment stands."""

    PENDING = "pending"
    PLANNING = "planning"
    APPLYING = "applying"
    VERIFYING = "verifying"
    CONFIRMING = "confirming"
    DONE = "done"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    SUPERSEDED = "superseded"


RUNNING = frozenset({State.PLANNING, State.APPLYING, State.VERIFYING, State.CONFIRMING})
#: In a worker's hands: without its lease these are lost. A trial needs none, the kernel times it.
AT_WORK = RUNNING - {State.CONFIRMING}
FINISHED = frozenset({State.DONE, State.REFUSED, State.ROLLED_BACK, State.FAILED, State.SUPERSEDED})

MEANING: dict[State, str] = {
    State.PENDING: "waits for its turn, or for a part of the node that can't be reached",
    State.PLANNING: "compares what should be with what is there",
    State.APPLYING: "writes rows, tells Asterisk, loads rules",
    State.VERIFYING: "reads everything back",
    State.CONFIRMING: "waits for the administrator's word over a new connection",
    State.DONE: "in force, and read back",
    State.REFUSED: "nothing was changed",
    State.ROLLED_BACK: "was changed, then restored",
    State.FAILED: "was changed and could not be restored: look at the node now",
    State.SUPERSEDED: "a newer generation took over",
}

# A running deployment returns to PENDING when a part was unreachable or its worker died.
_MOVES: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.PLANNING, State.SUPERSEDED, State.REFUSED}),
    State.PLANNING: frozenset(
        {
            State.APPLYING,
            State.VERIFYING,
            State.PENDING,
            State.REFUSED,
            State.SUPERSEDED,
            State.DONE,
        }
    ),
    State.APPLYING: frozenset(
        {
            State.VERIFYING,
            State.PENDING,
            State.ROLLED_BACK,
            State.FAILED,
            State.REFUSED,
            State.SUPERSEDED,
        }
    ),
    State.VERIFYING: frozenset(
        {
            State.CONFIRMING,
            State.DONE,
            State.PENDING,
            State.ROLLED_BACK,
            State.FAILED,
            State.SUPERSEDED,
        }
    ),
    State.CONFIRMING: frozenset(
        {State.DONE, State.PENDING, State.ROLLED_BACK, State.FAILED, State.SUPERSEDED}
    ),
}


def may_move(here: State, there: State) -> bool:
    """Tell whether a deployment in ``here`` may go to ``there``."""
    return there in _MOVES.get(here, frozenset())
