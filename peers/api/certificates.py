"""Certificates of nodes, and the authority that phones trust, to be read."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from ddiweb.api.filters import NodeFilter, refuse_unknown_parameters
from ddiweb.api.permissions import Needs
from ddiweb.api.views import Base, ReadOnly
from ddiweb.deploy.models import Node
from peers.models import NodeCertificate
from peers.tls import authority, roots


class CertificateSerializer(serializers.ModelSerializer[NodeCertificate]):
    """What a node's Asterisk was given for phones with TLS."""

    node = serializers.SlugRelatedField[Node](slug_field="slug", read_only=True)
    names = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="Without those that hold a token.",
    )
    overdue = serializers.BooleanField(
        read_only=True, help_text="Whether it should have been renewed by now."
    )

    class Meta:
        model = NodeCertificate
        fields: ClassVar[Any] = (
            "id",
            "node",
            "fingerprint",
            "names",
            "not_before",
            "not_after",
            "renew_at",
            "overdue",
            "served",
            "checked_at",
        )
        read_only_fields: ClassVar[Any] = fields


class CertificateFilter(NodeFilter):
    """By node."""

    class Meta:
        model = NodeCertificate
        fields = ("node",)


class CertificateViewSet(ReadOnly):
    """Certificates of nodes, the one that ends first at the top."""

    queryset = NodeCertificate.objects.select_related("node")
    serializer_class = CertificateSerializer
    filterset_class = CertificateFilter
    ordering_fields = ("id", "not_after")


class AuthoritySerializer(serializers.Serializer[Any]):
    """The panel's own authority; nothing here is secret."""

    certificate = serializers.CharField(read_only=True, help_text="PEM: what phones must trust.")
    fingerprint = serializers.CharField(read_only=True, help_text="SHA-256.")
    not_after = serializers.DateTimeField(read_only=True)
    overlap = serializers.BooleanField(
        read_only=True, help_text="Whether phones that trust the one before are accepted too."
    )


class AuthorityView(Base):
    """The authority that signs the nodes' certificates."""

    permission_classes = (Needs,)
    required_permissions: ClassVar[tuple[str, ...]] = ("deploy.view_node",)
    pagination_class = None

    @extend_schema(responses=AuthoritySerializer)
    def get(self, request: Request) -> Response:
        """Its certificate; 404 before the first node with TLS."""
        refuse_unknown_parameters(request, self, paged=False)
        row = roots.current()
        if row is None:
            raise NotFound("there is no authority yet: it is made for the first node with TLS")
        found = authority.parse(row.certificate)
        body = {
            "certificate": row.certificate,
            "fingerprint": authority.fingerprint(found),
            "not_after": found.not_valid_after_utc,
            "overlap": bool(row.cross),
        }
        return Response(AuthoritySerializer(body).data)
