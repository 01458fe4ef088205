"""The address that a phone fetches, and the page that shows it."""

from typing import Any
from urllib.parse import urljoin

import segno
from django.conf import settings
from django.contrib import messages
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from ddiweb.client import address
from peers.choices import PhoneFormat
from peers.models import Peer
from peers.provisioning import FAMILIES, links
from peers.views import note

#: Wrong addresses from one place within ``WINDOW`` seconds, after which it is told nothing more.
MOST_MISSES = 10
WINDOW = 900


def fetch(request: HttpRequest, secret: str) -> HttpResponse:
    """Give a phone its settings, once; 404 for what is unknown, used or expired.

    Only GET uses the link up: what looks at addresses in passing asks with HEAD.
    """
    key = f"provisioning-misses:{address(request)}"
    if cache.get(key, 0) >= MOST_MISSES:
        return _quiet(HttpResponse("too many wrong addresses; wait\n", status=429))
    found = links.redeem(secret) if request.method == "GET" else None
    if found is None:
        cache.add(key, 0, WINDOW)
        cache.incr(key)
        return _quiet(HttpResponse("there is nothing here\n", status=404))
    links.wait_until_in_force(found.node)
    return _quiet(
        HttpResponse(
            found.text,
            content_type=found.content_type,
            headers={"Content-Disposition": f'inline; filename="{found.name}"'},
        )
    )


def _quiet(response: HttpResponse) -> HttpResponse:
    """Keep the address out of caches, Referer headers and Django's own log of bad requests."""
    response.headers["Cache-Control"] = "no-store, private"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    # django.utils.log.log_response writes the path of every 4xx, unless this says it was done.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def link_url(request: HttpRequest, secret: str) -> str:
    """The whole address, by ``DDIWEB_PROVISIONING_URL`` or as the panel itself is reached."""
    path = reverse("provision", args=[secret])
    base = settings.PROVISIONING_URL
    return urljoin(base, path) if base else request.build_absolute_uri(path)


def page(request: HttpRequest, context: dict[str, Any], peer: Peer, family: str) -> HttpResponse:
    """Make a link and show it, this once, as text and as a QR code."""
    chosen = family if family in PhoneFormat.values else PhoneFormat.LINPHONE.value
    try:
        secret, row = links.make(peer, chosen, request.user)
    except ValidationError as error:
        messages.error(request, "; ".join(error.messages))
        return HttpResponseRedirect(reverse("admin:peers_peer_change", args=[peer.pk]))
    note(request, [peer], f"A link that sets up the phone was made ({chosen}).")
    url = link_url(request, secret)
    context |= {
        "title": f"Provision this phone: {peer}",
        "peer": peer,
        "url": url,
        "qr": segno.make(url, micro=False).svg_data_uri(scale=5, border=4, light="#fff"),
        "secure": url.startswith("https://"),
        "link": row,
        "minutes": int(links.LIFE.total_seconds() // 60),
        "family": FAMILIES[chosen],
        "families": [(key, FAMILIES[key].name, key == chosen) for key in FAMILIES],
        "authority": links.authority(peer),
        "opts": Peer._meta,
        "original": peer,
    }
    response = TemplateResponse(request, "peers/provision.html", context)
    response.headers["Cache-Control"] = "no-store, private"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
