"""The shapes of numbers and peers, and what they share with trunks."""

from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from rest_framework import serializers

from ddiweb.api.fields import Choice, Reference, Secret, rule
from ddiweb.api.serializers import Attrs, ResourceSerializer
from ddiweb.deploy.models import Node
from peers import passwords, rules
from peers.api.steps import RUNG, StepSerializer, places, refuse_step
from peers.choices import Codec, Transport
from peers.models import Number, Peer, Step
from peers.phone_list import store_persons, store_phones
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
