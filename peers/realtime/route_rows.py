"""Rows of numbers and of the steps that their calls go through."""

from collections.abc import Iterable, Iterator, Mapping

from peers.realtime import schema
from peers.realtime.facts import PeerFacts, Snapshot
from peers.realtime.routes import TARGETS_MAX, NumberFacts, StepFacts
from peers.realtime.rows import Row, row
from peers.realtime.text import refuse

#: Separates the targets of one step. The dialplan's FILTER lets it and usernames through only.
TARGET_SEPARATOR = "&"


#: The phones that a step's target stands for, by its key: one of a peer, all of a person's.
Targets = Mapping[str, tuple[PeerFacts, ...]]


def targets(snapshot: Snapshot) -> Targets:
    """All that steps may name. Raises Refused for a person with an unknown phone."""
    peers = {peer.key: peer for peer in snapshot.peers}
    found: dict[str, tuple[PeerFacts, ...]] = {key: (peer,) for key, peer in peers.items()}
    for person in snapshot.persons:
        if any(key not in peers for key in person.phones):
            raise refuse(f"person {person.key}", "has an unknown phone", "take it away")
        found[person.key] = tuple(peers[key] for key in person.phones)
    return found


def rows(number: NumberFacts, known: Targets, longest: int) -> Iterator[Row]:
    """The row of ``number`` and one a stage of its route.

    ``longest``: digits of the longest caller rule. Raises Refused for an unknown target.
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
        for stage in _stages(number, step, known)
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
    number: NumberFacts, step: StepFacts, known: Targets
) -> Iterator[tuple[StepFacts, str, int]]:
    """Yield target and seconds of each stage: what rings in turn is a stage each."""
    where = f"number {number.key} step {step.position}"
    for target in step.targets:
        if target not in known:
            raise refuse(where, "rings an unknown peer or person", "remove it")
    if step.kind != "ring":
        yield step, step.forward_to or step.mailbox, step.timeout
    elif step.in_turn:
        for target, seconds in zip(
            step.targets, step.seconds or [step.timeout] * len(step.targets), strict=True
        ):
            yield step, _accounts(known[target]), seconds
    else:
        # A phone that is named beside its person rings once.
        phones = dict.fromkeys(phone for target in step.targets for phone in known[target])
        if len(phones) > TARGETS_MAX:
            raise refuse(where, f"rings more than {TARGETS_MAX} phones", "use more steps")
        yield step, _accounts(phones), step.timeout


def _accounts(phones: Iterable[PeerFacts]) -> str:
    return TARGET_SEPARATOR.join(one.target for phone in phones for one in phone.accounts)
