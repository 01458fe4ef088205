"""What every resource's view shares. Writes ask for the node's deployment in their transaction."""

from typing import Any, ClassVar

from django.db import transaction
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, status, viewsets
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from ddiweb.api.filters import StrictOrdering, refuse_unknown_parameters
from ddiweb.api.serializers import Deployed, DeploymentLink, ResourceSerializer
from ddiweb.deploy.models import Deployment
from ddiweb.deploy.services import request_deployment

#: Integer keys; longer ones fit no database.
ID = r"[0-9]{1,18}"


class Base(APIView):
    """Answers are never cached, and failed sign-ins are throttled too."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check who asks; count those who fail, which DRF by itself does not."""
        try:
            super().initial(request, *args, **kwargs)
        except (AuthenticationFailed, NotAuthenticated):
            self.check_throttles(request)
            raise

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Forbid every cache: answers hold who is where, and some a secret."""
        done: Response = super().finalize_response(request, response, *args, **kwargs)
        done["Cache-Control"] = "no-store"
        return done


class ReadOnly(
    Base, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]
):
    """A resource that others write."""

    filter_backends = (DjangoFilterBackend, StrictOrdering)
    ordering_fields: tuple[str, ...] = ()
    lookup_value_regex = ID
    http_method_names = ["get", "head", "post", "patch", "delete"]

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One page of the rows that the parameters select."""
        refuse_unknown_parameters(request, self)
        return super().list(request, *args, **kwargs)


class Resource(ReadOnly):
    """A resource that can be written.

    There is no PUT: secrets are never read, so nobody could send the whole. PATCH leaves unnamed
    fields as they are, and replaces a nested list only if it is named.
    """

    #: What a deployment's reason calls it.
    noun: ClassVar[str] = ""

    def node_id(self, row: Any) -> int:
        """The node whose deployment brings this row into force."""
        found: int = row.node_id
        return found

    def saved(self, row: Any, verb: str) -> dict[str, Any]:
        """Ask for the deployment; returns what the answer holds besides the row."""
        reason = f"{self.noun} {row} {verb}"
        return {"deployment": request_deployment(self.node_id(row), reason, self.request.user)}

    def remove(self, row: Any) -> Deployment | None:
        """Delete the row and ask for the deployment."""
        node_id, reason = self.node_id(row), f"{self.noun} {row} deleted"
        row.delete()
        return request_deployment(node_id, reason, self.request.user)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Add one."""
        return self._write(self.get_serializer(data=request.data), "added")

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change what is named, and nothing else."""
        with transaction.atomic():
            row = self.get_object()
            serializer = self.get_serializer(row, data=request.data, partial=True)
            return self._write(serializer, "changed")

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete one."""
        with transaction.atomic():
            deployment = self.remove(self.get_object())
        return Response(deployed(deployment))

    def _write(self, serializer: BaseSerializer[Any], verb: str) -> Response:
        with transaction.atomic():
            serializer.is_valid(raise_exception=True)
            row = serializer.save()
            extra = self.saved(row, verb)
            fresh = self.get_queryset().get(pk=row.pk)
            data = {**self.get_serializer(fresh).data, **extra, **deployed(extra["deployment"])}
        code = status.HTTP_201_CREATED if verb == "added" else status.HTTP_200_OK
        return Response(data, status=code)


def deployed(deployment: Deployment | None) -> dict[str, Any]:
    """The part of every answer to a write that names the deployment."""
    link = DeploymentLink(deployment).data if deployment else None
    return {"deployment": link}


def pending(node_id: int) -> Deployment:
    """The deployment that a service has asked for within this transaction."""
    return Deployment.objects.get(node_id=node_id, state="pending")


def written(kind: type[ResourceSerializer], **extra: Any) -> type[ResourceSerializer]:
    """The schema of a write's answer: the resource, its deployment and what ``extra`` names."""
    base = kind.__name__.removesuffix("Serializer")
    added = {"deployment": DeploymentLink(read_only=True, allow_null=True), **extra}
    meta = type("Meta", (kind.Meta,), {"fields": (*kind.Meta.fields, *added)})
    name = f"{base}{'Created' if extra else 'Written'}Serializer"
    return type(name, (kind,), {**added, "Meta": meta, "__doc__": kind.__doc__})


def documented(kind: type[ResourceSerializer], **created: Any) -> Any:
    """Class decorator: tell the schema how writes are answered."""
    after = written(kind)
    return extend_schema_view(
        create=extend_schema(responses={201: written(kind, **created) if created else after}),
        partial_update=extend_schema(responses={200: after}),
        destroy=extend_schema(responses={200: Deployed}),
    )
