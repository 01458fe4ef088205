"""A small server that speaks AMI as Asterisk does, and can be told to misbehave."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from peers.realtime.ami_message import Message, Parser

SECRET = "s" * 32
CHALLENGE = "8675309"


class FakeAmi:
    """Serves any number of connections; ``silent`` keeps it from answering, ``say`` adds events."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.server.getsockname()[1]
        self.silent = False
        self.actions: list[Message] = []
        self.database: dict[str, str] = {}
        self.clients: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def say(self, data: bytes) -> None:
        """Send bytes to every client that is logged in."""
        for client in self.clients:
            client.sendall(data)

    def drop(self) -> None:
        """Cut every connection."""
        for client in self.clients:
            client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.sendall(b"Asterisk Call Manager/11.0.0\r\n")
        parser = Parser()
        try:
            while data := client.recv(4096):
                for message in parser.feed(data):
                    self.actions.append(message)
                    if not self.silent:
                        client.sendall(self._answer(client, message))
        except OSError:
            return

    def _answer(self, client: socket.socket, message: Message) -> bytes:  # noqa: PLR0911
        action, ident = message.get("Action"), f"ActionID: {message.action_id}\r\n"
        success, error = f"Response: Success\r\n{ident}", f"Response: Error\r\n{ident}"
        if action == "Challenge":
            return f"{success}Challenge: {CHALLENGE}\r\n\r\n".encode()
        if action == "Login":
            wanted = hashlib.md5((CHALLENGE + SECRET).encode()).hexdigest()  # noqa: S324
            if message.get("Key") != wanted or message.get("Username") != "ddiweb":
                return f"{error}Message: Authentication failed\r\n\r\n".encode()
            self.clients.append(client)
            booted = "Event: FullyBooted\r\n\r\n" if message.get("Events") == "on" else ""
            return f"{success}Message: Authentication accepted\r\n\r\n{booted}".encode()
        if action == "Ping":
            return f"{success}Ping: Pong\r\n\r\n".encode()
        if action == "DBPut":
            self.database[message.get("Key")] = message.get("Val")
            return f"{success}Message: Updated database successfully\r\n\r\n".encode()
        if action == "DBGetTree":
            return self._tree(message, success, ident).encode()
        return f"{error}Message: Invalid/unknown command: {action}.\r\n\r\n".encode()

    def _tree(self, message: Message, success: str, ident: str) -> str:
        family = message.get("Family")
        rows = "".join(
            f"Event: DBGetTreeResponse\r\nKey: /{family}/{key}\r\nVal: {value}\r\n{ident}\r\n"
            for key, value in self.database.items()
        )
        end = f"Event: DBGetTreeComplete\r\n{ident}EventList: Complete\r\n\r\n"
        return f"{success}EventList: start\r\n\r\n{rows}{end}"

    def close(self) -> None:
        """Stop serving."""
        self.server.close()


@contextmanager
def fake_ami() -> Iterator[FakeAmi]:
    """Serve while in the context."""
    server = FakeAmi()
    try:
        yield server
    finally:
        server.close()
