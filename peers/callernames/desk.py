"""Where the dialplan asks: HTTP on this machine's loopback, digits in, a name or nothing out."""

import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from peers.callernames.names import Names

ADDRESS = "127.0.0.1"
#: Calls that ask at once; further ones are turned away and go on without a name.
MOST = 64
_PATH = re.compile(r"\A/name/([1-9][0-9]{2,14})\Z")


class _Question(BaseHTTPRequestHandler):
    """One call's question."""

    server: "Desk"
    timeout = 2.0  # seconds to say what it wants

    def do_GET(self) -> None:
        """Answer with the name; without one, with nothing."""
        wish = _PATH.fullmatch(self.path)
        name = self.server.names.name(wish[1]).encode() if wish else b""
        self.send_response_only(200 if wish else 404)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(name)))
        self.end_headers()
        self.wfile.write(name)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: who calls whom stands in the call records."""


class Desk(ThreadingHTTPServer):
    """Serves from the moment it is made until ``close``. Raises OSError if the port is taken."""

    daemon_threads = True
    request_queue_size = MOST

    def __init__(self, names: Names, port: int) -> None:
        super().__init__((ADDRESS, port), _Question)
        self.names = names
        self._room = threading.BoundedSemaphore(MOST)
        self._thread = threading.Thread(target=self.serve_forever, name="names", daemon=True)
        self._thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a question if there is room."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: socket.socket | Any, client_address: Any) -> None:
        """Nothing: whoever asked is gone, for example because the caller hung up."""

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()
