"""Ask an outside service for one name: the only way out of this machine for that purpose.

What a caller can choose is the digits, and what a service can choose is the name: no redirect is
followed, no proxy of the environment is used, and the address is judged that is connected to, so
that a name in DNS can't lead to the machine itself or into its network.
"""

import contextlib
import http.client
import ipaddress
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from peers.callernames import template
from peers.callernames.answer import name_in
from peers.vendor_names import unusable

#: Bytes of an answer that are read; a name is short.
MOST = 16_384
#: Addresses of a host that are tried.
_ADDRESSES = 3
_LATE = "it did not answer in time"
_LOOPBACK = ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")
#: Where clouds hand out credentials beside the link-local addresses: AWS over IPv6, Alibaba, Azure.
_CLOUDS = frozenset(
    ipaddress.ip_address(one) for one in ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")
)


class FetchError(Exception):
    """No answer that can be used; the text says why, without the number and the secret."""


@dataclass(frozen=True)
class Lookup:
    """How one node asks. ``seconds`` bound the whole; ``keep`` is how long a name is known."""

    url: str
    authorization: str = field(default="", repr=False)
    json_field: str = ""
    seconds: float = 1.5
    keep: float = 604_800.0
    a_minute: int = 60
    private_allowed: bool = False


def fetch(lookup: Lookup, digits: str) -> str:
    """Return the name of ``digits``, empty if the service knows none. Raises FetchError."""
    end = time.monotonic() + lookup.seconds
    try:
        parts = template.split(lookup.url)
        asked = template.target(parts, digits)
    except ValueError as error:
        raise FetchError(f"the address {error}") from None
    secure = parts.scheme == "https"
    host = parts.hostname or ""
    port = parts.port or (443 if secure else 80)
    line = _connected(host, port, lookup, end)
    with line, _shut_at(end, line):
        try:
            with _context().wrap_socket(line, server_hostname=host) if secure else line as stream:
                name = _exchange(stream, host, asked, parts.netloc, lookup)
        except (OSError, http.client.HTTPException, ValueError) as error:
            late = time.monotonic() >= end
            raise FetchError(_LATE if late else f"port {port}: {_meaning(error)}") from None
    # An end by the clock looks like the answer's own: what was read until then is no name.
    if time.monotonic() >= end:
        raise FetchError(_LATE)
    return name


@contextlib.contextmanager
def _shut_at(end: float, line: socket.socket) -> Iterator[None]:
    """End ``line`` at ``end``: a slow drip would renew a socket's own timeout with each byte."""
    with line.dup() as spare:  # TLS takes the line itself over
        cutter = threading.Timer(max(0.0, end - time.monotonic()), _shut, [spare])
        cutter.daemon = True
        cutter.start()
        try:
            yield
        finally:
            cutter.cancel()


def _connected(host: str, port: int, lookup: Lookup, end: float) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise FetchError(f"{host} has no address") from None
    fault = f"{host} has no address"
    for family, kind, protocol, _, place in found[:_ADDRESSES]:
        address = str(place[0])
        if why := refused(address, private_allowed=lookup.private_allowed):
            fault = f"{host} leads to {address}, {why}"
            continue
        if _reads_on_the_way(lookup, address):
            fault = f"{host} leads to {address}, a public address: the key goes there by https only"
            continue
        line = socket.socket(family, kind, protocol)
        try:
            line.settimeout(max(0.01, end - time.monotonic()))
            line.connect(place)
            return line
        except OSError as error:
            fault = f"{host} can't be reached at port {port}: {_cause(error)}"
            line.close()
    raise FetchError(fault)


def literal(host: str, *, private_allowed: bool) -> str:
    """Why a service can't be at ``host``, as far as no DNS is needed to tell, or nothing.

    A resolver also takes ``127.1`` and ``2130706433`` for an address (inet_aton, POSIX), and any
    ``localhost`` for this machine (RFC 6761, 6.3).
    """
    if (host == "localhost" or host.endswith(".localhost")) and not private_allowed:
        return f"{host} is this machine"
    try:
        address = str(ipaddress.ip_address(host))
    except ValueError:
        try:
            address = socket.inet_ntoa(socket.inet_aton(host))
        except OSError:
            return ""
    why = refused(address, private_allowed=private_allowed)
    return f"{host} is {why}" if why else ""


def refused(address: str, *, private_allowed: bool) -> str:
    """Why nothing is sent to ``address``, or the empty string.

    The operator may allow his own network and this machine. Where clouds hand out credentials stays
    refused.
    """
    parsed = ipaddress.ip_address(address)
    if parsed in _CLOUDS:
        return "where a cloud hands out credentials"
    if private_allowed and any(parsed in network for network in _LOOPBACK):
        return ""
    why = unusable(address, private_allowed=private_allowed)
    return "a private address" if why.startswith("a private") else why


def _reads_on_the_way(lookup: Lookup, address: str) -> bool:
    """Whether the key would be read outside of the private network for which http is allowed."""
    public = not refused(address, private_allowed=False)
    plain = lookup.private_allowed and lookup.url.startswith("http:")
    return public and plain and bool(lookup.authorization)


def _exchange(stream: socket.socket, host: str, asked: str, netloc: str, lookup: Lookup) -> str:
    connection = http.client.HTTPConnection(host)
    connection.sock = stream
    headers = {
        "Host": netloc,
        "User-Agent": "ddiweb",
        "Accept": "application/json" if lookup.json_field else "text/plain",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if lookup.authorization:
        headers["Authorization"] = lookup.authorization
    connection.request("GET", asked, headers=headers)
    with connection.getresponse() as response:
        if response.status == http.client.NOT_FOUND:
            return ""
        if 300 <= response.status < 400:
            raise FetchError("it redirects elsewhere, which is not followed")
        if response.status not in (http.client.OK, http.client.NO_CONTENT):
            raise FetchError(f"it answers {response.status}")
        if response.headers.get_content_type() == "text/html":
            raise FetchError("it answers with a web page")
        body = response.read(MOST + 1)
    if len(body) > MOST:
        raise FetchError("its answer is too long")
    try:
        return name_in(body, lookup.json_field)
    except ValueError:
        raise FetchError("its answer is no JSON") from None


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _shut(line: socket.socket) -> None:
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is over already


def _cause(error: OSError) -> str:
    """Why no connection was made."""
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return os.strerror(error.errno).lower() if error.errno else type(error).__name__


def _meaning(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate can't be verified: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "it speaks no TLS"
    return f"its answer can't be used ({type(error).__name__})"
