"""Rules of persons: whose phones they have, and that steps which ring them ring somebody.

Forms and the API ask them before anything is saved. Raises ValidationError.
"""

from collections.abc import Iterable, Sequence

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from peers.choices import StepKind
from peers.models import Peer, Person, Step
from peers.realtime.routes import TARGETS_MAX

#: Apps and devices of one person; more is a group, which a step names one by one.
MOST_PHONES = 10


def phones_of(peers: Iterable[Peer], persons: Iterable[Person]) -> set[int]:
    """Keys of all phones that a step with these rings."""
    return {peer.pk for peer in peers} | {
        phone.pk for person in persons for phone in person.phones.all()
    }


def phones_are_the_persons_own(node_id: int, person_id: int | None, phones: Sequence[Peer]) -> None:
    """Refuse phones of another node or of another person, too many, and steps left without any."""
    if len(phones) > MOST_PHONES:
        raise ValidationError(
            f"are {len(phones)}, and a person has at most {MOST_PHONES}: take some away",
            code="too_many_phones",
        )
    for phone in phones:
        if phone.node_id != node_id:
            raise ValidationError(
                f"“{phone}” is on another node; choose phones of the person's own node",
                code="other_node",
            )
        if phone.person is not None and phone.person_id != person_id:
            raise ValidationError(
                f"“{phone}” is a phone of {phone.person}: take it away there first",
                code="phone_of_another",
            )
    if person_id is not None:
        _steps_still_ring(person_id, {phone.pk for phone in phones})


def _steps_still_ring(person_id: int, phones: set[int]) -> None:
    for step in _ring_steps().filter(persons=person_id):
        others = [one for one in step.persons.all() if one.pk != person_id]
        rung = phones_of(step.peers.all(), others) | phones
        where = f"step {step.position} of {step.number}"
        if not rung:
            raise ValidationError(
                f"{where} rings this person alone and would ring nobody: change that route first",
                code="rings_nobody",
            )
        if len(rung) > TARGETS_MAX:
            raise ValidationError(
                f"{where} would ring {len(rung)} phones, and at most {TARGETS_MAX} can ring at "
                "once: take some away",
                code="too_many_peers",
            )


def steps_left_empty(peers: Iterable[Peer]) -> list[Step]:
    """The ring steps that would ring nobody if ``peers`` were deleted."""
    going = {peer.pk for peer in peers}
    rows = _ring_steps()
    steps = {
        step.pk: step
        for found in (rows.filter(peers__in=going), rows.filter(persons__phones__in=going))
        for step in found.distinct()
    }
    return [
        step for step in steps.values() if phones_of(step.peers.all(), step.persons.all()) <= going
    ]


def _ring_steps() -> QuerySet[Step]:
    rows = Step.objects.filter(kind=StepKind.RING).select_related("number")
    return rows.prefetch_related("peers", "persons__phones")
