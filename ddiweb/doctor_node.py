"""Checks of the node of this machine: its services, Asterisk, the firewall's agent."""

import contextlib
import os
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError

from ddiweb.deploy.errors import DeployError
from ddiweb.deploy.models import Node
from ddiweb.doctor_findings import PATIENCE, Bad
from ddiweb.env import MissingSettingError
from ddiweb.live import heartbeat
from ddiweb.node_parts import ami_client, sandbox_runs
from firewall.channel import AgentChannel
from peers.models import NodeCertificate
from peers.realtime.store import open_store
from peers.tls import names

TOOLS = ("iptables-nft-restore", "ip6tables-nft-restore", "iptables-nft-save", "ipset")


def node() -> str:
    """The node of this machine is in the panel."""
    row = _node()
    if row is None:
        raise Bad(
            f"{settings.NODE!r} (DDIWEB_NODE) is not in the panel",
            "add it under Nodes, or set DDIWEB_NODE to one that is there", "warn",
        )  # fmt: skip
    return f"{row.slug}, generation {row.applied_generation} of {row.generation} in force" + (
        ", dry run" if row.dry_run else ""
    )


def worker() -> str:
    """A worker serves this node's queue."""
    return _heard_of(heartbeat.worker_name(settings.NODE), "ddiweb-worker and ddiweb-beat")


def watch() -> str:
    """The watch holds its AMI connection."""
    return _dry() or _heard_of(heartbeat.watch_name(settings.NODE), "ddiweb-watch")


def realtime() -> str:
    """The realtime database answers and has its tables."""
    if dry := _dry():
        return dry
    try:
        store = open_store(settings.REALTIME_URL, "reader")
        try:
            store.read()
        finally:
            store.close()
    except DeployError as error:
        raise Bad(str(error), "check DDIWEB_REALTIME_URL; a first deployment makes it") from error
    return f"answers ({settings.REALTIME_URL.partition(':')[0]})"


def asterisk() -> str:
    """Asterisk answers over AMI."""
    if dry := _dry():
        return dry
    try:
        with ami_client() as client:
            seconds = client.ping()
            return f"answers in {seconds * 1000:.0f} ms ({client.version})"
    except (DeployError, MissingSettingError) as error:
        raise Bad(str(error), "start Asterisk; compare DDIWEB_AMI_* with manager.conf") from error


def records() -> str:
    """Call records have a place, from which the watch may take them."""
    folder = Path(settings.CALL_RECORDS).parent
    if dry := _dry():
        return dry
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise Bad(f"{folder} is not there, or is shut", "docs/install.md, 6", "warn")
    return f"collected from {folder}"


def certificate() -> str:
    """Asterisk answers phones with TLS by a certificate that is not about to end."""
    if dry := _dry():
        return dry
    row = NodeCertificate.objects.filter(node__slug=settings.NODE).first()
    if row is None:
        node = _node()
        if node is None or not names.enabled(node):
            return "not needed: no TLS"
        raise Bad("none was made yet", "manage.py deploy", "warn")
    if row.overdue:
        raise Bad(f"ends {row.not_after:%Y-%m-%d}, not renewed when due", "manage.py deploy")
    if not row.served:
        raise Bad(
            "Asterisk does not answer with it",
            "docs/operate.md, “Certificates”: asterisk_config, its log, DDIWEB_TLS_DIR", "warn",
        )  # fmt: skip
    return f"served, ends {row.not_after:%Y-%m-%d}, renewed {row.renew_at:%Y-%m-%d}"


def agent() -> str:
    """The firewall agent answers, and its rules are in force."""
    if dry := _dry():
        return dry
    try:
        status = AgentChannel(settings.AGENT_SOCKET, timeout=PATIENCE * 5).status()
    except DeployError as error:
        raise Bad(str(error), "start ddiweb-agent; check DDIWEB_AGENT_SOCKET") from error
    if not status["in_force"]:
        raise Bad("the rules in the kernel are not the applied ones", "manage.py deploy")
    return f"generation {status['generation']} in force"


def tools() -> str:
    """The agent's programs are installed."""
    from lab.tools import system_program

    missing = [name for name in TOOLS if system_program(name) is None]
    if missing and sandbox_runs():
        return "private ones of the sandbox"
    if missing:
        with contextlib.suppress(DatabaseError):  # the database has its own finding
            if dry := _dry():
                return dry
        raise Bad(
            f"not installed: {', '.join(missing)}",
            "a node needs them: apt install iptables ipset", "warn",
        )  # fmt: skip
    return "installed"


def _node() -> Node | None:
    return Node.objects.filter(slug=settings.NODE).first()


def _dry() -> str:
    row = _node()
    return "not needed: dry run" if row is not None and row.dry_run else ""


def _heard_of(name: str, units: str) -> str:
    pulse = heartbeat.pulse(name)
    if pulse.age is None:
        raise Bad("never heard of", f"start {units}")
    if not pulse.alive:
        raise Bad(f"silent for {pulse.age:.0f} s", f"look into the log of {units}")
    return f"heard of {pulse.age:.0f} s ago"
