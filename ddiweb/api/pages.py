"""The schema, its page, and the answer to addresses that don't exist."""

from typing import Any

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from ddiweb.api.authentication import ApiTokenAuthentication
from ddiweb.api.views import Base


class SchemaView(Base, SpectacularJSONAPIView):
    """OpenAPI 3, for whoever is signed in."""

    permission_classes = (IsAuthenticated,)
    authentication_classes = (ApiTokenAuthentication, SessionAuthentication)


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI from our own static files, under the panel's own CSP: no CDN, nothing inline."""

    url_name = "api:schema"
    template_name = "api/docs.html"
    permission_classes = (IsAuthenticated,)
    authentication_classes = (SessionAuthentication,)


class NothingHere(Base):
    """Any other address below ``/api/v1/``: an error in the API's own shape."""

    permission_classes = (IsAuthenticated,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse every verb alike; raises NotFound."""
        super().initial(request, *args, **kwargs)
        raise NotFound

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Never reached: ``initial`` has refused."""
        raise NotFound
