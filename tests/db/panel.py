"""What a browser would send to the panel, as short as a sentence."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client

from ddiweb.deploy.models import Deployment, Node
from ddiweb.deploy.states import State
from peers.models import Number, Peer, Person, Trunk

#: Anything that somebody could hope to smuggle into a file, AMI or the kernel.
HOSTILE = {
    "newline": "Ada\n-A INPUT -j ACCEPT",
    "trailing newline": "Ada\n",
    "carriage return": "Ada\rAction: DBPut",
    "quote": 'Ada" quoted',
    "variable": "${SHELL(id)}",
    "comma": "Ada,Dial(x)",
    "nul": "Ada\x00",
    "semicolon": "Ada;x",
    "separator": "Ada\u2028x",
}


def person(name: str = "root", *, superuser: bool = True, may: Sequence[str] = ()) -> User:
    """A member of staff; without a password, because hashing one takes longer than a test."""
    made = User.objects.create(username=name, password="!", is_staff=True, is_superuser=superuser)
    for permission in may:
        label, codename = permission.split(".")
        made.user_permissions.add(
            Permission.objects.get(content_type__app_label=label, codename=codename)
        )
    return User.objects.get(pk=made.pk)


def client(user: User | None = None) -> Client:
    browser = Client()
    browser.force_login(user or person(), backend="django.contrib.auth.backends.ModelBackend")
    return browser


def pending(node: Node | None = None) -> list[Deployment]:
    rows = Deployment.objects.filter(state=State.PENDING)
    return list(rows.filter(node=node) if node else rows)


def settle() -> None:
    """Forget what the set-up of a test asked for."""
    Deployment.objects.all().delete()


def node_form(**over: Any) -> dict[str, Any]:
    return {
        "slug": "london", "name": "London", "realm": "ddiweb", "public_ipv4": "203.0.113.10",
        "public_ipv6": "", "sip_port": "5060", "rtp_first": "10000", "rtp_last": "20000",
        "tls_port": "0", "iax_port": "0", "sip_domain": "", "countries": "", "ban_failures": "5",
        "ban_window": "600", "ban_seconds": "3600", "trial_seconds": "60",
    } | over  # fmt: skip


def peer_form(node: Node, **over: Any) -> dict[str, Any]:
    return {
        "node": node.pk, "name": "Ada mobile", "owner": "", "username": "ada", "password": "",
        "carrier": "user_agent", "transport": "udp", "enabled": "on", "codecs": ["opus", "alaw"],
        "digest": "md5", "nat": "behind", "qualify": "30", "expires_min": "60",
        "expires_default": "300", "expires_max": "3600",
    } | over  # fmt: skip


def networks(*rows: tuple[int | None, str], prefix: str = "networks") -> dict[str, Any]:
    """The inline of a trunk: (id of the row or None, CIDR) each."""
    data: dict[str, Any] = {
        f"{prefix}-TOTAL_FORMS": len(rows),
        f"{prefix}-INITIAL_FORMS": sum(pk is not None for pk, _ in rows),
    }
    for index, (pk, cidr) in enumerate(rows):
        data |= {f"{prefix}-{index}-id": pk or "", f"{prefix}-{index}-cidr": cidr}
        data[f"{prefix}-{index}-note"] = ""
    return data


def hosts(*rows: tuple[int | None, str, str]) -> dict[str, Any]:
    """The other inline of a trunk: (id of the row or None, name, kind) each."""
    data: dict[str, Any] = {
        "hosts-TOTAL_FORMS": len(rows),
        "hosts-INITIAL_FORMS": sum(pk is not None for pk, _, _ in rows),
    }
    for index, (pk, name, kind) in enumerate(rows):
        data |= {f"hosts-{index}-id": pk or "", f"hosts-{index}-name": name}
        data |= {f"hosts-{index}-kind": kind, f"hosts-{index}-note": ""}
    return data


def trunk_form(node: Node, *rows: tuple[int | None, str], **over: Any) -> dict[str, Any]:
    return {
        "node": node.pk, "name": "Vendor", "enabled": "on", "host": "", "port": "5060",
        "username": "", "password": "", "codecs": ["alaw", "ulaw"], "qualify": "on",
        "ddi_header": "request", "country": "", "channels_max": "0",
        "transport": "udp", "proxy": "", "proxy_port": "5060", "from_domain": "",
        "dtmf": "rfc4733", "caller_in": "pai", "caller_out": "from", "number_in": "e164",
        "number_out": "plus", "prefix_in": "", "prefix_out": "", "national_prefix": "0",
        "international_prefix": "00",
    } | networks(*rows) | hosts() | servers() | over  # fmt: skip


def servers(*rows: tuple[str, int, int]) -> dict[str, Any]:
    """Further hosts: each its name, port and priority."""
    data: dict[str, Any] = {"servers-TOTAL_FORMS": len(rows), "servers-INITIAL_FORMS": 0}
    for index, (host, port, priority) in enumerate(rows):
        data |= {
            f"servers-{index}-host": host,
            f"servers-{index}-port": port,
            f"servers-{index}-priority": priority,
        }
    return data


def step(
    peers: Sequence[Peer] = (), *, pk: int | None = None, place: int | str = "",
    kind: str = "ring", delete: bool = False, persons: Sequence[Person] = (),
) -> dict[str, Any]:  # fmt: skip
    data: dict[str, Any] = {
        "id": pk or "", "place": place, "kind": kind, "timeout": "20", "cause": "busy",
        "phones": [peer.pk for peer in peers], "people": [person.pk for person in persons],
    }  # fmt: skip
    return data | ({"DELETE": "on"} if delete else {})


def number_form(trunk: Trunk, *steps: dict[str, Any], **over: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "trunk": trunk.pk, "e164": "+442079460123", "last": "", "label": "London",
        "show": "label", "enabled": "on", "anonymous": "ring", "final": "auto",
        "steps-TOTAL_FORMS": len(steps),
        "steps-INITIAL_FORMS": sum(bool(entry["id"]) for entry in steps),
    }  # fmt: skip
    for index, entry in enumerate(steps):
        data |= {f"steps-{index}-{name}": value for name, value in entry.items()}
    return data | over


def route(number: Number) -> list[tuple[int, str, list[str]]]:
    """The stored route: position, kind, usernames."""
    return [
        (row.position, row.kind, sorted(peer.username for peer in row.peers.all()))
        for row in number.steps.all()
    ]


def faults(response: Any) -> str:
    """Every message of a refused form; empty if it was accepted."""
    if response.status_code == 302:
        return ""
    context = response.context
    found = [str(context["adminform"].form.errors)]
    for inline in context["inline_admin_formsets"]:
        found += [str(inline.formset.errors), str(inline.formset.non_form_errors())]
    return "\n".join(found)
