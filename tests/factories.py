"""Rows for tests, as short as a sentence."""

import itertools

from django.utils import timezone

from ddiweb.deploy.models import Node
from firewall import bans
from firewall.ban_models import Ban
from firewall.models import ManagementNetwork
from peers import passwords
from peers.models import (
    Mailbox,
    Number,
    OutgoingPolicy,
    Peer,
    Person,
    Schedule,
    ScheduleTime,
    Sound,
    Step,
    Trunk,
    TrunkHost,
    TrunkNetwork,
    VoiceMessage,
)

#: Of every peer that is made here.
PASSWORD = "correct-horse-battery"
_count = itertools.count(1)


def node(**fields: object) -> Node:
    number = next(_count)
    return Node.objects.create(
        **{"slug": f"n{number}", "name": f"Node {number}", "public_ipv4": "203.0.113.10"} | fields
    )


def peer(on: Node, **fields: object) -> Peer:
    number = next(_count)
    made = Peer(**{"node": on, "name": f"Phone {number}", "username": f"phone{number}"} | fields)
    passwords.put(made, PASSWORD)
    made.save()
    return made


def trunk(on: Node, *networks: str, **fields: object) -> Trunk:
    made = Trunk.objects.create(**{"node": on, "name": f"Vendor {next(_count)}"} | fields)
    for cidr in networks:
        TrunkNetwork.objects.create(trunk=made, cidr=cidr)
    return made


def host(on: Trunk, name: str, **fields: object) -> TrunkHost:
    return TrunkHost.objects.create(trunk=on, name=name, **fields)


def number(on: Trunk, e164: str, *ring: Peer, **fields: object) -> Number:
    made = Number.objects.create(trunk=on, e164=e164, **fields)
    if ring:
        Step.objects.create(number=made, position=1, kind="ring").peers.set(ring)
    return made


def policy(shown: Number, **fields: object) -> OutgoingPolicy:
    given = {"node": shown.trunk.node, "name": f"Policy {next(_count)}", "country": "GB"}
    return OutgoingPolicy.objects.create(**given | {"number": shown} | fields)


def person(on: Node, *phones: Peer, **fields: object) -> Person:
    made = Person.objects.create(**{"node": on, "name": f"Person {next(_count)}"} | fields)
    Peer.objects.filter(pk__in=[phone.pk for phone in phones]).update(person=made)
    return made


def schedule(on: Node, *lines: dict[str, object], **fields: object) -> Schedule:
    made = Schedule.objects.create(**{"node": on, "name": f"Hours {next(_count)}"} | fields)
    for line in lines:
        ScheduleTime.objects.create(schedule=made, **line)
    return made


def management(on: Node, cidr: str) -> ManagementNetwork:
    return ManagementNetwork.objects.create(node=on, cidr=cidr)


def ban(on: Node, cidr: str, seconds: int | None = 600, **fields: object) -> Ban:
    return bans.ban(on, cidr, "by_hand", seconds, **fields)


def sound(on: Node, data: bytes, **fields: object) -> Sound:
    made = Sound(**{"node": on, "name": f"Sound {next(_count)}"} | fields)
    made.take(data)
    made.save()
    return made


def mailbox(on: Node, *peers: Peer, **fields: object) -> Mailbox:
    made = Mailbox.objects.create(**{"node": on, "name": f"Box {next(_count)}"} | fields)
    made.peers.set(peers)
    return made


def message(box: Mailbox, **fields: object) -> VoiceMessage:
    number = next(_count)
    return VoiceMessage.objects.create(
        **{
            "mailbox": box, "message_id": f"{number}-00000001", "folder": "INBOX", "seconds": 4,
            "received_at": timezone.now(), "audio": b"RIFF", "caller": "+441632960111",
            "number": "442079460123",
        } | fields
    )  # fmt: skip
