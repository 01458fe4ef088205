"""An outside service that knows callers' names, good and bad ones, for tests.

``python -m tests.asterisk.names_service ADDRESS [PORT FILE]``: what it does depends on the digits.
It writes each request that it gets, a line each, to standard output. With ``FILE``, which holds a
certificate and its key, it speaks https.
"""

import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORT = 8080
#: A body by the last two digits of the number.
BODIES = {
    "11": b"Ada Lovelace\n",
    "12": b'Eve" <sip:x@y>;a=b\r\nX-Evil: 1\r\n${SHELL(id)},${EXTEN}^\x00\x1b[31m\xe2\x80\xae',
    "14": b'{"data": [{"name": "Grace Hopper"}]}',
    "17": b"A" * 100_000,
    "18": "Zoë Ω".encode(),
}


class Service(BaseHTTPRequestHandler):
    """Answers by the digits."""

    def do_GET(self) -> None:
        """13 is slow, 15 redirects, 16 drips, others are unknown."""
        print(self.path, self.headers.get("Authorization", "-"), flush=True)
        kind = self.path.partition("?")[0][-2:]
        if kind == "13":
            time.sleep(4)
        if kind == "15":
            self.send_response(302)
            self.send_header("Location", "/v1/441632960111")
            self.end_headers()
            return
        body = BODIES.get(kind, b"")
        self.send_response(200 if body or kind == "16" else 404)
        self.send_header("Content-Type", "application/json" if kind == "14" else "text/plain")
        self.end_headers()
        for _ in range(40 if kind == "16" else 0):
            self.wfile.write(b"a")
            time.sleep(0.1)
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: standard output has it."""


def main(address: str, port: str = str(PORT), certificate: str = "") -> None:
    """Serve for ever."""
    server = ThreadingHTTPServer((address, int(port)), Service)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
