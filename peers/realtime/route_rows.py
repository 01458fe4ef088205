"""Rows of numbers and of the steps that their calls go through."""

from collections.abc import Iterator

from peers.realtime import schema
from peers.realtime.facts import PeerFacts
from peers.realtime.routes import NumberFacts, StepFacts
from peers.realtime.rows import Row, row
from peers.realtime.text import refuse

#: Separates the targets of one step. The dialplan's FILTER lets it and usernames through only.
TARGET_SEPARATOR = "&"


def rows(number: NumberFacts, peers: dict[str, PeerFacts], longest: int) -> Iterator[Row]:
    """The row of ``number`` and one a stage of its route.

    ``longest``: digits of the longest caller rule. Raises Refused for an unknown peer.
    """
    yield row(
        schema.NUMBERS,
        number.id,
        display=number.display,
        show=number.show,
        anonymous=number.anonymous,
        callers="listed" if number.listed_only else "open",
        longest=str(longest),
        final=number.final,
    )
    stages = (
        stage
        for step in sorted(number.steps, key=lambda step: step.position)
        for stage in _stages(number, step, peers)
    )
    # The dialplan counts from 1 without gaps.
    for place, (step, target, seconds) in enumerate(stages, start=1):
        yield row(
            schema.STEPS,
            f"{number.id}-{place}",
            kind=step.kind,
            target=target,
            timeout=str(seconds),
            schedule=step.schedule,
            cause=step.cause,
            sound=step.sound,
            policy=step.policy,
        )


def _stages(
    number: NumberFacts, step: StepFacts, peers: dict[str, PeerFacts]
) -> Iterator[tuple[StepFacts, str, int]]:
    """Yield target and seconds of each stage: peers that ring in turn are a stage each."""
    for target in step.targets:
        if target not in peers:
            where = f"number {number.key} step {step.position}"
            raise refuse(where, "rings an unknown peer", "remove it")
    if step.kind != "ring":
        yield step, step.forward_to or step.mailbox, step.timeout
    elif step.in_turn:
        for target, seconds in zip(
            step.targets, step.seconds or [step.timeout] * len(step.targets), strict=True
        ):
            yield step, _accounts(peers[target]), seconds
    else:
        accounts = filter(None, (_accounts(peers[target]) for target in step.targets))
        yield step, TARGET_SEPARATOR.join(accounts), step.timeout


def _accounts(peer: PeerFacts) -> str:
    return TARGET_SEPARATOR.join(one.target for one in peer.accounts)
