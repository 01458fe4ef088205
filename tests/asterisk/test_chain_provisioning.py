"""The real Linphone engine fetches its link over HTTPS and is registered by what it was given."""

import http.server
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lab import reach
from lab.linphone import LinphonePhone
from lab.names import PANEL
from lab.process import wait_until
from lab.stack import Stack
from peers.tls import authority

pytestmark = pytest.mark.asterisk
HOST = "panel.sandbox.test"


@contextmanager
def https_in_front_of(stack: Stack, folder: Path) -> Iterator[Path]:
    """A proxy with HTTPS on the administrator's machine; yields the root that it is known by."""
    root = authority.new_root("proxy", datetime.now(UTC))
    made = authority.issue(root, [HOST], datetime.now(UTC))
    (folder / "proxy.pem").write_text(made.pem + made.key)
    (folder / "root.pem").write_text(root.certificate)

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                with urllib.request.urlopen(stack.url.rstrip("/") + self.path) as answer:  # noqa: S310
                    status, kind, body = (
                        answer.status,
                        answer.headers["Content-Type"],
                        answer.read(),
                    )
            except urllib.error.HTTPError as error:
                status, kind, body = error.code, "text/plain", b""
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Links are credentials."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "proxy.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy, bind_and_activate=False)
    server.socket.close()
    listener = reach.listen(stack.world().ns["admin"], (PANEL, 443))
    server.socket = context.wrap_socket(listener, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield folder / "root.pem"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("transport", ["tls", "udp"])
def test_linphone_fetches_its_link_and_is_registered(
    stack: Stack, tmp_path: Path, transport: str
) -> None:
    stack.settled()
    peer = stack.peer(f"Provisioned {transport}", transport=transport, carrier="contact")
    stack.settled()
    made = stack.ask("POST", f"/peers/{peer['id']}/provision/", {"format": "linphone"})
    at = urlsplit(made["url"]).path
    with https_in_front_of(stack, tmp_path) as root:
        trusted = tmp_path / "trusted.pem"
        trusted.write_text(root.read_text() + stack.manage("ca", "show"))
        phone = LinphonePhone(
            stack.world().ns["phone"], tmp_path / "p", ca=trusted, config_uri=f"https://{HOST}{at}"
        )
        with phone:
            wait_until(
                lambda: _online(stack, peer),
                30,
                "the panel sees the phone",
                lambda: (
                    stack.rows("/contacts/"),
                    stack.rows("/bans/"),
                    (tmp_path / "p/linphone.log").read_text()[-2000:],
                ),
            )
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(made["url"])  # noqa: S310
    stack.ask("DELETE", f"/peers/{peer['id']}/")
    stack.settled()


def _online(stack: Stack, peer: dict[str, Any]) -> bool:
    """Whether the phone has registered; the daemon tells of accounts that it was typed only."""
    return any(row["endpoint"] == peer["key"] for row in stack.rows("/contacts/"))
