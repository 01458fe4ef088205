"""The authority's certificate, for phones to trust; nothing about it is secret."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from peers.tls import roots


@login_required
@require_safe
def certificate(_request: HttpRequest) -> HttpResponse:
    """``ddiweb-ca.pem``: the current root."""
    root = roots.current()
    if root is None:
        raise Http404("there is no authority yet: it is made for the first node with TLS")
    return HttpResponse(
        root.certificate,
        content_type="application/x-pem-file",
        headers={"Content-Disposition": 'attachment; filename="ddiweb-ca.pem"'},
    )
