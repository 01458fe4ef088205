"""The page on which a person gives the word for a restart. Mounted by the admin of nodes."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from ddiweb.deploy.errors import Refused
from ddiweb.deploy.models import Node
from ddiweb.live import restarts
from ddiweb.live.models import Channel
from ddiweb.live.names import label_column
from ddiweb.live.restart_models import Restart

#: Legs of calls that are named; of more, how many.
MOST = 50


def page(request: HttpRequest, context: dict[str, Any], pk: int) -> HttpResponse:
    """What waits, which calls are up, and what may be said about it; POST says it."""
    node = get_object_or_404(Node, pk=pk)
    if not request.user.has_perm("deploy.change_node"):
        raise PermissionDenied
    if request.method == "POST":
        _say(request, node)
        return HttpResponseRedirect(reverse("admin:deploy_node_restart", args=[pk]))
    legs = Channel.objects.filter(node=node).annotate(label=label_column("endpoint"))
    context |= {
        "title": f"Restart Asterisk on {node}",
        "node": node,
        "opts": Node._meta,
        "calls": legs.values("call_id").distinct().count(),
        "legs": legs[:MOST] if request.user.has_perm("live.view_channel") else (),
        "open": restarts.opened(node),
        "last": Restart.objects.filter(node=node).exclude(state__in=Restart.OPEN).first(),
        "moves": node.open_sip_port != node.sip_port
        or node.open_rtp_ports != (node.rtp_first, node.rtp_last),
    }
    if "piece" not in request.GET:
        return TemplateResponse(request, "deploy/restart.html", context)
    # The page renews what is seen of an open wish, not the forms: a tick must stay as it was set.
    piece = TemplateResponse(request, "deploy/restart_state.html", context | {"piece": True})
    if context["open"] is None:
        piece["X-Poll"] = "stop"
    return piece


def _say(request: HttpRequest, node: Node) -> None:
    said = request.POST.get("say")
    if said == "cancel":
        row = restarts.opened(node)
        if row is None or not restarts.take_back(row):
            messages.warning(request, "Nothing was open any more.")
        return
    if said == Restart.How.NOW and request.POST.get("sure") != "yes":
        messages.error(request, "Tick that calls may be cut, or wait until none is up.")
        return
    if said not in Restart.How.values:
        messages.error(request, "Say when: as soon as no call is up, or now.")
        return
    try:
        restarts.wish(node, said, request.user)
    except Refused as error:
        messages.error(request, str(error))
