"""The shapes of numbers and peers, and what they share with trunks."""

from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from rest_framework import serializers

from ddiweb.api.fields import Choice, Reference, Secret, Text, rule
from ddiweb.api.serializers import Attrs, Item, ResourceSerializer
from ddiweb.deploy.models import Node
from ddiweb.validators import e164
from peers import passwords, rules
from peers.choices import Cause, Codec, StepKind, Transport
from peers.models import Mailbox, Number, OutgoingPolicy, Peer, Person, Schedule, Sound, Step
from peers.phone_list import store_persons, store_phones
from peers.realtime.routes import TARGETS_MAX
from peers.tls import choice
from peers.validators import sip_password

User = get_user_model()


def codec_list() -> serializers.ListField:
    """Codecs, the preferred one first."""
    return serializers.ListField(
        child=Choice(choices=Codec.choices),
        allow_empty=False,
        max_length=len(Codec),
        required=False,
        help_text="The preferred one first.",
    )


def node_field() -> Reference:
    """A node by its slug; it can't be changed later."""
    return Reference(
        slug_field="slug",
        queryset=Node.objects.all(),
        help_text="The node's slug; it can't be changed later.",
    )


def secret_password(name: str, kind: type, kwargs: Attrs) -> tuple[type, Attrs]:
    """Make the field of a password one that is never read."""
    if name != "password":
        return kind, kwargs
    kwargs.pop("style", None)
    return Secret, {**kwargs, "max_length": 128}


def own_times(text: str) -> serializers.ListField:
    """Seconds of each that rings in turn."""
    return serializers.ListField(
        child=serializers.IntegerField(min_value=5, max_value=120, allow_null=True),
        required=False,
        default=list,
        max_length=TARGETS_MAX,
        help_text=text,
    )


class StepSerializer(Item):
    """One stage of a route; its place in the list is its place in the route."""

    kind = Choice(choices=StepKind.choices, default=StepKind.RING)
    peers = serializers.PrimaryKeyRelatedField(
        many=True,
        required=False,
        default=list,
        queryset=Peer.objects.select_related("node"),
        help_text="Which phones ring; in this order if in turn.",
    )
    persons = serializers.PrimaryKeyRelatedField(
        many=True,
        required=False,
        default=list,
        queryset=Person.objects.select_related("node").prefetch_related("phones"),
        help_text="Who is rung on all their phones; in turn they come before `peers`.",
    )
    in_turn = serializers.BooleanField(
        default=False,
        help_text="They ring one after the other: `persons`, each on all phones together, then "
        "`peers`. false: all at once.",
    )
    seconds = own_times("How long each phone rings in turn, one a phone; null: the step's timeout.")
    person_seconds = own_times("The same, one a person.")
    timeout = serializers.IntegerField(
        min_value=5, max_value=120, default=25, help_text="Seconds before the next step."
    )
    cause = Choice(
        choices=Cause.choices,
        default=Cause.UNAVAILABLE,
        help_text="What the caller of a rejected call is told.",
    )
    schedule = serializers.PrimaryKeyRelatedField(
        required=False,
        default=None,
        allow_null=True,
        queryset=Schedule.objects.select_related("node"),
        help_text="Outside these hours the step is passed over. null: at all hours.",
    )
    forward_to = Text(
        max_length=16,
        required=False,
        allow_blank=True,
        default="",
        validators=[e164],
        help_text="Whom a step that forwards calls, in E.164.",
    )
    policy = serializers.PrimaryKeyRelatedField(
        required=False,
        default=None,
        allow_null=True,
        queryset=OutgoingPolicy.objects.select_related("node"),
        help_text="The outgoing policy by which it is called.",
    )
    mailbox = serializers.PrimaryKeyRelatedField(
        required=False,
        default=None,
        allow_null=True,
        queryset=Mailbox.objects.select_related("node"),
        help_text="Where voicemail is left.",
    )
    sound = serializers.PrimaryKeyRelatedField(
        required=False,
        default=None,
        allow_null=True,
        queryset=Sound.objects.select_related("node"),
        help_text="What an announcement plays.",
    )

    def to_representation(self, instance: Step) -> dict[str, Any]:
        """Its phones and persons in their order."""
        shown: dict[str, Any] = super().to_representation(instance)
        return shown | {
            "peers": [place.peer_id for place in instance.places.all()],
            "persons": [place.person_id for place in instance.person_places.all()],
        }


#: The fields of a step that are rows of their own, with their times.
RUNG = ("peers", "seconds", "persons", "person_seconds")


def places(rows: list[Any], seconds: list[int | None]) -> list[tuple[Any, int | None]]:
    """Each row with its own time, if there are any."""
    return list(zip(rows, seconds or [None] * len(rows), strict=True))


def refuse_step(where: str, step: Attrs) -> None:
    """Refuse times that are not one each, and phones that would not ring."""
    for name, times in (("peers", "seconds"), ("persons", "person_seconds")):
        fault = ""
        if step[times] and len(step[times]) != len(step[name]):
            text, fault = f"are not one each of {name}; give one each, or none", times
        elif step["kind"] != StepKind.RING and step[name]:
            text, fault = f"only a step that rings has {name}; leave them out", name
        if fault:
            code = "seconds" if fault == times else name
            raise serializers.ValidationError(
                {f"{where}.{fault}": [serializers.ErrorDetail(text, code=code)]}
            )


class NumberSerializer(ResourceSerializer):
    """A DDI in E.164 on a trunk, with an ordered route."""

    nested = ("steps",)
    fixed = ()
    node = serializers.SlugRelatedField[Node](
        source="trunk.node", slug_field="slug", read_only=True
    )
    steps = StepSerializer(
        many=True,
        required=False,
        max_length=20,  # type: ignore[call-arg]  # many=True hands it to the list
        help_text="Replaced as a whole if named.",
    )

    class Meta:
        model = Number
        fields: ClassVar[tuple[str, ...]] = (
            "id",
            "node",
            "trunk",
            "e164",
            "last",
            "label",
            "show",
            "enabled",
            "anonymous",
            "listed_only",
            "final",
            "steps",
            "created_at",
        )

    def node_id(self, candidate: Number) -> int | None:
        """The node of its trunk."""
        return candidate.trunk.node_id

    def check_rules(self, candidate: Number, attrs: Attrs) -> None:
        """It stays on its node, and its route can be followed."""
        node = candidate.trunk.node_id
        if self.instance and self.instance.trunk.node_id != node:
            text = "is a trunk of another node; choose one of the number's own node"
            raise serializers.ValidationError(
                {"trunk": [serializers.ErrorDetail(text, code="immutable")]}
            )
        for index, step in enumerate(attrs.get("steps", ())):
            refuse_step(f"steps.{index}", step)
        steps = self._route(attrs)
        rule(lambda: rules.route_is_whole(node, enabled=candidate.enabled, steps=steps), "steps")

    def _route(self, attrs: Attrs) -> list[rules.StepDraft]:
        names = (
            "kind", "peers", "schedule", "sound", "mailbox", "forward_to", "policy", "persons",
        )  # fmt: skip
        if "steps" in attrs:
            return [rules.StepDraft(*(one[name] for name in names)) for one in attrs["steps"]]
        if self.instance is None:
            return []
        return [rules.draft(step) for step in self.instance.steps.all()]

    def store_nested(self, instance: Number, named: Attrs) -> None:
        """Replace the number's route."""
        instance.steps.all().delete()
        for position, step in enumerate(named["steps"], start=1):
            plain = {k: value for k, value in step.items() if k not in RUNG}
            row = Step.objects.create(number=instance, position=position, **plain)
            store_phones(row, places(step["peers"], step["seconds"]))
            store_persons(row, places(step["persons"], step["person_seconds"]))


class PeerSerializer(ResourceSerializer):
    """One SIP app on one device."""

    node = node_field()
    owner = Reference(
        slug_field="username",
        queryset=User._default_manager.all(),
        required=False,
        allow_null=True,
        help_text="The username of the person who uses it.",
    )
    nested = ("password",)
    password = Secret(
        required=False,
        max_length=64,
        validators=[sip_password],
        help_text="Written, never read. Leave it out: ddiweb makes a good one. Only a hash is "
        "stored (with IAX2 the password itself, encrypted).",
    )
    codecs = codec_list()
    transport = Choice(
        choices=Transport.choices,
        required=False,
        help_text="What the node offers: udp, tcp, tls, iax.",
    )

    class Meta:
        model = Peer
        fields: ClassVar[tuple[str, ...]] = (
            "id",
            "key",
            "node",
            "name",
            "person",
            "owner",
            "username",
            "password",
            "carrier",
            "enabled",
            "codecs",
            "transport",
            "strict_names",
            "digest",
            "nat",
            "qualify",
            "expires_min",
            "expires_default",
            "expires_max",
            "outgoing",
            "caller_number",
            "password_made_at",
            "created_at",
        )
        read_only_fields = ("person",)
        extra_kwargs: ClassVar[dict[str, Attrs]] = {
            "person": {"help_text": "Whose phone it is; set with the person."}
        }

    def create(self, validated_data: Attrs) -> Any:
        """Save a new row and what stands for its password."""
        password = validated_data.pop("password", "")
        peer = super().create(validated_data)
        if password:
            passwords.put(peer, password)
            peer.save(update_fields=passwords.COLUMNS)
        return peer

    def update(self, instance: Any, validated_data: Attrs) -> Any:
        """Save the named fields; a hash that no longer fits goes."""
        password, username = validated_data.pop("password", ""), instance.username
        peer = super().update(instance, validated_data)
        passwords.fit(peer, username)
        if password:
            passwords.put(peer, password)
            passwords.on_newest_token(peer, password)
        peer.save(update_fields=passwords.COLUMNS)
        return peer

    def store_nested(self, instance: Peer, named: Attrs) -> None:
        """Nothing: ``create`` and ``update`` took the password out."""

    def check_rules(self, candidate: Peer, attrs: Attrs) -> None:
        """Its username is its own, and its node offers its transport."""
        rule(
            lambda: rules.usernames_differ(candidate.node_id, candidate.username, of_trunk=False),
            "username",
        )
        rule(lambda: choice.is_possible(candidate.node, candidate.transport), "transport")
        if candidate.strict_names:
            rule(
                lambda: choice.strict_is_possible(
                    candidate.node_id, candidate.pk, candidate.transport
                ),
                "strict_names",
            )
