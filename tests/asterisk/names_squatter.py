"""Somebody else's process at the port of the desk for names, for tests.

``python -m tests.asterisk.names_squatter PORT``: says whatever it likes.
"""

import socketserver
import sys

#: What would end a header's line, and a quoted string, of the INVITE to a phone.
EVIL = b"Eve\r\nX-Evil: 1\r\nX-More: \"<sip:x@y>;\x1b[31m\\'"
HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"


class Squatter(socketserver.StreamRequestHandler):
    """Answers all alike."""

    def handle(self) -> None:
        """Answer."""
        self.rfile.readline()
        self.wfile.write(HEAD + EVIL)


if __name__ == "__main__":
    socketserver.TCPServer.allow_reuse_address = True
    socketserver.TCPServer(("127.0.0.1", int(sys.argv[1])), Squatter).serve_forever()
