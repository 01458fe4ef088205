"""Trunks, numbers, peers and tokens: their lists, their edits and what is done with tokens."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from django.core.exceptions import ValidationError as Invalid
from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from ddiweb.api.errors import Conflict
from ddiweb.api.serializers import Nothing
from ddiweb.api.views import ReadOnly, Resource, deployed, documented, pending
from ddiweb.deploy.models import Deployment, Node
from peers import passwords, person_rules, services
from peers.api import filters, serializers, tokens, trunks
from peers.models import Number, Peer, Token, Trunk
from peers.provisioning import links
from peers.provisioning import views as provisioning


@documented(trunks.TrunkSerializer)
class TrunkViewSet(Resource):
    """Vendors' SIP services."""

    noun = "trunk"
    queryset = Trunk.objects.select_related("node").prefetch_related(
        "networks", "servers", "hosts__addresses", "hosts__trunk__node"
    )
    serializer_class = trunks.TrunkSerializer
    filterset_class = filters.TrunkFilter
    ordering_fields = ("id", "name", "created_at")


@documented(serializers.NumberSerializer)
class NumberViewSet(Resource):
    """DDIs and their routes."""

    noun = "number"
    queryset = Number.objects.select_related("trunk__node").prefetch_related(
        "steps__places", "steps__peers", "steps__person_places", "steps__persons__phones"
    )
    serializer_class = serializers.NumberSerializer
    filterset_class = filters.NumberFilter
    ordering_fields = ("id", "e164", "label", "created_at")

    def node_id(self, row: Number) -> int:
        """The node of its trunk."""
        return row.trunk.node_id


def rotated(peer: Peer, token: Token | None) -> dict[str, Any]:
    """The answer that holds a new token's value, this once.

    Where the username carries the token, it is a new account, with a password of its own.
    """
    password = passwords.renew(peer) if token and passwords.is_due(peer) else None
    return {
        "peer": peer.pk,
        "token": tokens.TokenSerializer(token).data if token else None,
        "secrets": {"token": token.value, "password": password} if token else None,
        **deployed(pending(peer.node_id)),
    }


def lock_nodes(peers: Sequence[Peer]) -> None:
    """Lock the peers' nodes in one order, so that two rotations can't wait for each other."""
    nodes = sorted({peer.node_id for peer in peers})
    list(Node.objects.select_for_update().filter(pk__in=nodes).order_by("pk"))


@documented(serializers.PeerSerializer, secrets=tokens.NewPeerSecrets(read_only=True))
class PeerViewSet(Resource):
    """Phones. A new one's password and token are answered once, at its creation."""

    noun = "peer"
    queryset = Peer.objects.select_related("node", "owner")
    serializer_class = serializers.PeerSerializer
    filterset_class = filters.PeerFilter
    ordering_fields = ("id", "name", "username", "created_at")
    action_permissions: ClassVar[dict[str, tuple[str, ...]]] = {
        "rotate": ("peers.change_peer",),
        "rotate_many": ("peers.change_peer",),
        "compromised": ("peers.change_peer",),
        "provision": ("peers.change_peer",),
        "password": ("peers.change_peer",),
    }

    def saved(self, row: Peer, verb: str) -> dict[str, Any]:
        """A new peer gets its token; both secrets are answered this once."""
        if verb != "added":
            return super().saved(row, verb)
        token = services.peer_created(row, self.request.user)
        given = dict(self.request.data).get("password")
        if given:
            passwords.on_newest_token(row, given)
        password = given or passwords.renew(row)
        return {
            "secrets": {"password": password, "token": token.value},
            "deployment": pending(row.node_id),
        }

    @extend_schema(request=Nothing, responses={200: tokens.NewPassword})
    @action(detail=True, methods=["post"])
    def password(self, request: Request, pk: str) -> Response:
        """Make a new random password and answer it, this once; the old one ends."""
        Nothing(data=request.data).is_valid(raise_exception=True)
        peer = self.get_object()
        with transaction.atomic():
            lock_nodes([peer])
            password = passwords.give(peer, request.user)
            body = {"secrets": {"password": password}, **deployed(pending(peer.node_id))}
        return Response(body)

    def remove(self, row: Peer) -> Deployment | None:
        """Delete the peer, unless a route would be left with nobody to ring."""
        lock_nodes([row])
        empty = person_rules.steps_left_empty([row])
        if empty:
            names = ", ".join(f"{step.number} (step {step.position})" for step in empty[:5])
            raise Conflict(f"{names} would ring nobody; change the route first.")
        node_id = row.node_id
        services.delete_peers([row], self.request.user)
        return pending(node_id)

    @extend_schema(request=tokens.Rotation, responses={200: tokens.Rotated})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: str) -> Response:
        """Issue a new token; the old ones stay accepted until their grace ends."""
        wish = tokens.Rotation(data=request.data)
        wish.is_valid(raise_exception=True)
        return self._rotate([self.get_object()], wish.validated_data)

    @extend_schema(
        operation_id="peers_rotate_many",
        request=tokens.RotationOfMany,
        responses={200: tokens.RotatedMany},
    )
    @action(detail=False, methods=["post"], url_path="rotate")
    def rotate_many(self, request: Request) -> Response:
        """Issue a new token to each of these peers, or, if one is refused, to none."""
        wish = tokens.RotationOfMany(data=request.data)
        wish.is_valid(raise_exception=True)
        ids = set(wish.validated_data["ids"])
        peers = list(Peer.objects.filter(pk__in=ids).order_by("pk"))
        missing = sorted(ids - {peer.pk for peer in peers})
        if missing:
            text = f"no peers have the ids {', '.join(map(str, missing[:10]))}; leave them out"
            raise ValidationError({"ids": [ErrorDetail(text, code="does_not_exist")]})
        return self._rotate(peers, wish.validated_data, many=True)

    def _rotate(self, peers: list[Peer], wish: dict[str, Any], *, many: bool = False) -> Response:
        seconds = wish.get("grace_seconds")
        grace = None if seconds is None else timedelta(seconds=seconds)
        with transaction.atomic():
            lock_nodes(peers)
            try:
                issued = services.rotate(peers, self.request.user, grace=grace)
            except services.TokenError as error:
                raise Conflict("; ".join(error.messages)) from None
            done = [rotated(peer, one) for peer, one in zip(peers, issued, strict=True)]
        return Response({"results": done} if many else done[0])

    @extend_schema(request=Nothing, responses={200: tokens.Rotated})
    @action(detail=True, methods=["post"])
    def compromised(self, request: Request, pk: str) -> Response:
        """Revoke all its tokens now, cut their flows, and issue a new one.

        `token` and `secrets` are null if no mark is free for one: the phone is cut off even so.
        """
        Nothing(data=request.data).is_valid(raise_exception=True)
        peer = self.get_object()
        with transaction.atomic():
            lock_nodes([peer])
            issued = services.compromised([peer], request.user)
            return Response(rotated(peer, next(iter(issued), None)))

    @extend_schema(request=tokens.Provisioning, responses={200: tokens.ProvisioningUrl})
    @action(detail=True, methods=["post"])
    def provision(self, request: Request, pk: str) -> Response:
        """Make a link that sets the phone up; it is a credential, used up by whoever is first."""
        wish = tokens.Provisioning(data=request.data)
        wish.is_valid(raise_exception=True)
        family = wish.validated_data["format"]
        try:
            secret, row = links.make(self.get_object(), family, request.user)
        except Invalid as error:
            raise Conflict("; ".join(error.messages)) from None
        url = provisioning.link_url(request, secret)
        body = {"url": url, "format": family, "expires_at": row.expires_at}
        answer = Response(tokens.ProvisioningUrl(body).data)
        answer.headers["Cache-Control"] = "no-store"
        return answer


class TokenViewSet(ReadOnly):
    """Tokens, without their values: those are answered once, when they are made."""

    queryset = Token.objects.select_related("node").defer("value")
    serializer_class = tokens.TokenSerializer
    filterset_class = filters.TokenFilter
    ordering_fields = ("id", "issued_at", "seen_at")
    action_permissions: ClassVar[dict[str, tuple[str, ...]]] = {"revoke": ("peers.change_token",)}

    @extend_schema(request=Nothing, responses={200: tokens.TokenRevoked})
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """Revoke it at once and cut its flows, without a replacement."""
        Nothing(data=request.data).is_valid(raise_exception=True)
        token = self.get_object()
        with transaction.atomic():
            live = services.revoke([token], request.user)
            deployment = pending(token.node_id) if live else None
            token.refresh_from_db()
            data = tokens.TokenSerializer(token).data
        return Response({**data, **deployed(deployment)})
