"""How this node's Asterisk is reached over AMI: by ``DDIWEB_AMI_*``, on loopback or by TLS."""

import ipaddress
import socket
import ssl

from django.conf import settings

from ddiweb.deploy.errors import Refused
from ddiweb.env import secret
from peers.realtime.ami import AmiClient, Connect
from peers.realtime.restarting import restart_secret


def ami_client(*, events: bool = False, connect: Connect = socket.create_connection) -> AmiClient:
    """A client, not connected yet.

    With ``DDIWEB_AMI_CA``, a file of authorities, it speaks TLS, and the other end must prove by a
    certificate of theirs that it is ``DDIWEB_AMI_HOST``. Raises Refused without it unless the host
    is a loopback address, and for a file that can't be used.
    """
    return AmiClient(
        settings.AMI_HOST,
        settings.AMI_PORT,
        settings.AMI_USERNAME,
        secret("DDIWEB_AMI_SECRET"),
        tls=_tls(settings.AMI_HOST, settings.AMI_CA),
        events=events,
        connect=connect,
    )


def restart_client(*, connect: Connect = socket.create_connection) -> AmiClient:
    """A client of the account for restarts, not connected yet; raises as the other."""
    return AmiClient(
        settings.AMI_HOST,
        settings.AMI_PORT,
        f"{settings.AMI_USERNAME}_restart",
        restart_secret(secret("DDIWEB_AMI_SECRET")),
        tls=_tls(settings.AMI_HOST, settings.AMI_CA),
        connect=connect,
    )


def _tls(host: str, authorities: str) -> ssl.SSLContext | None:
    if not authorities:
        if not _loopback(host):
            raise Refused(
                "AMI: DDIWEB_AMI_HOST is not on loopback; give DDIWEB_AMI_CA, a file with the "
                "authority of its certificate, so that AMI speaks TLS"
            )
        return None
    try:
        context = ssl.create_default_context(cafile=authorities)
    except (OSError, ssl.SSLError) as error:
        raise Refused(f"AMI: DDIWEB_AMI_CA can't be used: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
