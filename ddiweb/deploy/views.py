"""Pages about deployments. Mounted by the admin of nodes and deployments."""

import time
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.template.response import TemplateResponse
from django.urls import reverse

from ddiweb.deploy import trials
from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.services import request_deployment
from ddiweb.deploy.states import State

#: A plan exists once a worker has compared; before that there is nothing to show.
NOT_YET = [State.PENDING, State.PLANNING]
#: Seconds that a page waits for a node to answer; after that the page itself goes on looking.
ANSWER_WITHIN = 4


def plan(request: HttpRequest, context: dict[str, Any], pk: int) -> HttpResponse:
    """What an apply would change, or did: the newest deployment that compared."""
    node = get_object_or_404(Node, pk=pk)
    if not request.user.has_perm("deploy.view_node"):
        raise PermissionDenied
    rows = node.deployments.all()
    context |= {
        "title": f"Plan of {node}",
        "node": node,
        "original": node,
        "opts": Node._meta,
        "deployment": rows.exclude(state__in=NOT_YET).first(),
        "waiting": rows.exclude(state__in=[State.DONE, State.SUPERSEDED]).first(),
        "drifted": rows.exclude(drift={}).first(),
        "can_deploy": request.user.has_perm("deploy.change_node"),
    }
    return TemplateResponse(request, "deploy/plan.html", context)


def again(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for a deployment of a node by hand; it compares, and applies what differs."""
    node = get_object_or_404(Node, pk=pk)
    if not request.user.has_perm("deploy.change_node"):
        raise PermissionDenied
    last = node.deployments.exclude(state=State.SUPERSEDED).first()
    # What nobody confirmed is tried again only as a new generation, by a person.
    bump = last is not None and last.held
    row = request_deployment(node, "asked for by hand", request.user, bump=bump)
    messages.success(request, f"Deployment #{row.pk} of {node} was asked for.")
    return HttpResponseRedirect(reverse("admin:deploy_deployment_change", args=[row.pk]))


def end_trial(request: HttpRequest, pk: int, verb: trials.Verb) -> HttpResponse:
    """Pass the administrator's word on to the node, and wait a moment for what comes of it."""
    row = get_object_or_404(Deployment.objects.select_related("node"), pk=pk)
    if not request.user.has_perm("deploy.change_node"):
        raise PermissionDenied
    if row.confirming:
        Deployment.objects.filter(pk=pk).update(error="")
        if not trials.send(row, verb):
            messages.error(
                request, f"Redis can't be reached. On the node: manage.py confirm {row.node.slug}"
            )
        deadline = time.monotonic() + ANSWER_WITHIN
        while row.confirming and not row.error and time.monotonic() < deadline:
            time.sleep(0.1)
            row.refresh_from_db(fields=["state", "error"])
    return HttpResponseRedirect(reverse("admin:deploy_deployment_change", args=[pk]))


def progress(request: HttpRequest, pk: int) -> HttpResponse:
    """State, steps and difference of one deployment, as a piece of a page."""
    if not request.user.has_perm("deploy.view_deployment"):
        raise PermissionDenied
    row = get_object_or_404(Deployment.objects.select_related("node", "requested_by"), pk=pk)
    response = render(request, "deploy/progress.html", {"deployment": row})
    if row.finished:
        response["X-Poll"] = "stop"
    return response
