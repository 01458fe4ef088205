"""Pages about a phone: what to type into it, and new tokens. Mounted by the peer's admin."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.cache import patch_cache_control

from peers import passwords, phones, services
from peers.models import Peer

GRACES = (("1", "1 hour"), ("24", "24 hours"), ("72", "72 hours"), ("168", "7 days"))
ROTATE, CUT = "rotate", "compromised"


class RotationForm(forms.Form):
    """Which peers, what, and how long the old token is accepted (hours)."""

    peers = forms.ModelMultipleChoiceField(
        queryset=Peer.objects.select_related("node"), widget=forms.MultipleHiddenInput
    )
    what = forms.ChoiceField(
        choices=[(ROTATE, "rotate"), (CUT, "cut off")], widget=forms.HiddenInput
    )
    grace = forms.ChoiceField(
        label="The old token is accepted for another",
        choices=GRACES,
        initial="72",
        widget=forms.RadioSelect,
        required=False,
        help_text="Within this time each phone must be given its new token.",
    )


def note(request: HttpRequest, peers: list[Peer], text: str) -> None:
    """Write who did what into the log that the object's history shows."""
    rows = Peer.objects.filter(pk__in=[peer.pk for peer in peers])
    LogEntry.objects.log_actions(int(request.user.pk or 0), rows, CHANGE, text)


def ask(
    request: HttpRequest, context: dict[str, Any], peers: list[Peer], what: str
) -> HttpResponse:
    """The page that says what will happen, and asks."""
    form = RotationForm(initial={"peers": [peer.pk for peer in peers], "what": what})
    return _page(request, context, form, peers, what)


def _page(
    request: HttpRequest, context: dict[str, Any], form: RotationForm, peers: list[Peer], what: str
) -> HttpResponse:
    cut = what == CUT
    context |= {
        "title": "Token compromised: cut off now" if cut else "Rotate token",
        "form": form,
        "rows": [(peer, phones.status(peer)) for peer in peers[:200]],
        "count": len(peers),
        "cut": cut,
        "opts": Peer._meta,
    }
    return TemplateResponse(request, "peers/rotate.html", context)


def rotate(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Do what was confirmed. Needs ``change_peer``."""
    if not request.user.has_perm("peers.change_peer"):
        raise PermissionDenied
    form = RotationForm(request.POST)
    listing = HttpResponseRedirect(reverse("admin:peers_peer_changelist"))
    if not form.is_valid():
        if "peers" in form.errors or "what" in form.errors:
            messages.error(request, "Nothing was done: these peers are gone. Choose again.")
            return listing
        peers = list(form.cleaned_data["peers"])
        return _page(request, context, form, peers, form.cleaned_data["what"])
    peers, what = list(form.cleaned_data["peers"]), form.cleaned_data["what"]
    hours = int(form.cleaned_data["grace"] or 72)
    try:
        with transaction.atomic():
            _do(request, peers, what, hours)
    except services.TokenError as error:
        messages.error(request, "Nothing was done: " + "; ".join(error.messages))
    if len(peers) == 1:
        return HttpResponseRedirect(reverse("admin:peers_peer_change", args=[peers[0].pk]))
    return listing


def _do(request: HttpRequest, peers: list[Peer], what: str, hours: int) -> None:
    many = f"{len(peers)} phones" if len(peers) > 1 else f"“{peers[0]}”"
    if what == CUT:
        short = len(peers) - len(services.compromised(peers, request.user))
        note(request, peers, "Token compromised: cut off, a new one issued.")
        text = f"{many}: cut off now. Give the new token to come back: “Set up the phone” shows it."
        messages.warning(request, text)
        if short:
            messages.error(
                request,
                f"No new token for {short} of them: all marks of the node are taken. Revoke tokens "
                "that nobody uses; a mark is free again 6 days after its flows were cut.",
            )
        return
    services.rotate(peers, request.user, grace=timedelta(hours=hours))
    note(request, peers, f"Token rotated; the old one is accepted for {hours} h.")
    grace = dict(GRACES)[str(hours)]
    text = f"{many}: a new token was issued, the old one is accepted for another {grace}."
    messages.success(request, text)


def set_up(request: HttpRequest, context: dict[str, Any], peer: Peer) -> HttpResponse:
    """Show what to type into the phone, secrets included; noted in the peer's history."""
    password, first = "", passwords.is_due(peer)
    if first or "fresh" in request.POST:
        password = passwords.give(peer, request.user)
    state = phones.status(peer)
    what = "A new password and the token were shown." if password else "The token was shown."
    note(request, [peer], what)
    account = phones.account(peer, state.newest, password)
    context |= {
        "title": f"Set up the phone: {peer}",
        "peer": peer,
        "status": state,
        "account": account,
        "replaced": not first,
        "families": phones.families(account),
        "opts": Peer._meta,
        "original": peer,
    }
    response = TemplateResponse(request, "peers/set_up.html", context)
    patch_cache_control(response, no_store=True, private=True)
    return response
