"""The shapes of tokens and of what is done with them."""

from typing import Any, ClassVar

from rest_framework import serializers

from ddiweb.api.fields import Choice
from ddiweb.api.serializers import DeploymentLink, Strict
from ddiweb.deploy.models import Node
from peers.choices import PhoneFormat
from peers.models import Token

#: Grace of a rotation, in seconds: from none to 30 days.
LONGEST_GRACE = 2_592_000


class TokenSerializer(serializers.ModelSerializer[Token]):
    """The secret string that lets a peer's packets through; its value is never read."""

    node = serializers.SlugRelatedField[Node](slug_field="slug", read_only=True)

    class Meta:
        model = Token
        fields: ClassVar[Any] = (
            "id",
            "node",
            "peer",
            "hint",
            "mark",
            "state",
            "issued_at",
            "seen_at",
            "grace_until",
            "revoked_at",
            "cut_at",
            "reason",
        )
        read_only_fields: ClassVar[Any] = fields


class NewPeerSecrets(serializers.Serializer[Any]):
    """Shown in this answer and never again: type them into the phone."""

    password = serializers.CharField(read_only=True)
    token = serializers.CharField(read_only=True)


class NewTokenSecrets(serializers.Serializer[Any]):
    """Shown in this answer and never again: type it into the phone.

    The password is null unless the token is the username: each one is an account of its own then.
    """

    token = serializers.CharField(read_only=True)
    password = serializers.CharField(read_only=True, allow_null=True)


class NewPasswordSecrets(serializers.Serializer[Any]):
    """Shown in this answer and never again: type it into the phone."""

    password = serializers.CharField(read_only=True)


class NewPassword(serializers.Serializer[Any]):
    """A peer's new password."""

    secrets = NewPasswordSecrets(read_only=True)
    deployment = DeploymentLink(read_only=True)


class Rotated(serializers.Serializer[Any]):
    """A peer's new token."""

    peer = serializers.IntegerField(read_only=True)
    token = TokenSerializer(read_only=True, allow_null=True)
    secrets = NewTokenSecrets(read_only=True, allow_null=True)
    deployment = DeploymentLink(read_only=True)


class RotatedMany(serializers.Serializer[Any]):
    """The new tokens of many peers."""

    results = Rotated(many=True, read_only=True)


class Rotation(Strict):
    """How long the old tokens stay accepted."""

    grace_seconds = serializers.IntegerField(
        min_value=0,
        max_value=LONGEST_GRACE,
        required=False,
        help_text="Seconds; 0 cuts at once. Without it: the panel's own grace.",
    )


class RotationOfMany(Rotation):
    """Which peers, and how long their old tokens stay accepted."""

    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        allow_empty=False,
        max_length=1000,
    )


class Provisioning(Strict):
    """For which kind of app."""

    format = Choice(choices=PhoneFormat.choices, default=PhoneFormat.LINPHONE)


class ProvisioningUrl(serializers.Serializer[Any]):
    """A link that sets the phone up: it works once, and is shown in this answer only."""

    url = serializers.CharField(read_only=True)
    format = serializers.ChoiceField(choices=PhoneFormat.choices, read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)


class TokenRevoked(TokenSerializer):
    """A revoked token; the deployment is null if it was revoked before."""

    deployment = DeploymentLink(read_only=True, allow_null=True)

    class Meta(TokenSerializer.Meta):
        fields: ClassVar[Any] = (*TokenSerializer.Meta.fields, "deployment")
        read_only_fields: ClassVar[Any] = fields
