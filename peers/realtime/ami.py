"""The only AMI socket: log in, act, listen; notice a dead peer; never send two actions for one.

Plain TCP belongs on loopback only; elsewhere give ``tls``. The secret itself is never sent: the
login answers an MD5 challenge (Asterisk, main/manager.c, ``authenticate``).
"""

import contextlib
import hashlib
import itertools
import re
import secrets
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from ddiweb.deploy.errors import DeployError, Refused, Retryable
from peers.realtime.ami_message import Message, Parser, build

#: Opens a TCP connection to an address within some seconds; raises OSError.
Connect = Callable[[tuple[str, int], float], socket.socket]
#: Events kept while an action waits for its answer; what comes on top is dropped and counted.
BACKLOG = 10_000
#: What Asterisk answers, as an error, to a PJSIPShow… of an empty list (res_pjsip).
NOTHING = re.compile(r"\ANo [A-Za-z ]+ found\Z")
#: What it answers to an action of a module that is not loaded (main/manager.c).
NOT_YET = "Invalid/unknown command"


class ActionRefused(Refused):
    """Asterisk answered ``Response: Error``; the text is Asterisk's own."""


class AmiClient:
    """One connection, used by one thread. A context manager: enter connects and logs in.

    ``timeout`` (seconds) bounds each connect, each action and each answer to a ping. Raises
    Retryable when Asterisk can't be reached or falls silent; the client is closed then.
    """

    def __init__(
        self,
        host: str,
        port: int,
        username: str,
        secret: str,
        *,
        tls: ssl.SSLContext | None = None,
        timeout: float = 5.0,
        events: bool = False,
        connect: Connect = socket.create_connection,
    ) -> None:
        self._address = (host, port)
        self._username = username
        self._secret = secret
        self._tls = tls
        self._timeout = timeout
        self._want_events = events
        self._open = connect
        self._socket: socket.socket | None = None
        self._parser = Parser()
        self._received: deque[Message] = deque()
        self._inbox: deque[Message] = deque()
        self._ids = (f"{secrets.token_hex(4)}-{number}" for number in itertools.count(1))
        #: Events dropped because nobody took them: if it grows, read the whole state anew.
        self.dropped = 0
        self.version = ""

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def connect(self) -> None:
        """Connect and log in; raises Retryable, or Refused for a wrong secret."""
        self.close()
        try:
            raw = self._open(self._address, self._timeout)
            self._socket = raw
            if self._tls is not None:
                self._socket = self._tls.wrap_socket(raw, server_hostname=self._address[0])
            self._socket.settimeout(self._timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.version = self._banner()
            self._login()
        except OSError as error:
            self.close()
            raise Retryable(f"AMI: no connection ({error.strerror or error})") from error
        except DeployError:
            self.close()
            raise

    def ends(self) -> tuple[tuple[str, int], tuple[str, int]]:
        """Address and port of this end and of Asterisk's; raises Retryable if not connected."""
        connection = self._connected()
        try:
            return connection.getsockname()[:2], connection.getpeername()[:2]
        except OSError as error:
            raise Retryable(f"AMI: connection lost ({error.strerror or error})") from error

    def close(self) -> None:
        """End the connection; harmless when there is none."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket = None
        self._parser = Parser()
        self._received.clear()
        self._inbox.clear()

    def action(self, name: str, **fields: str) -> list[Message]:
        """Send one action; return its response and, for lists, all events of the list.

        Raises Refused for a value that can't be sent (nothing was sent), ActionRefused if Asterisk
        says Error, Retryable on silence: then it is unknown whether the action was done. Retryable
        too for an action that Asterisk does not know yet, for it answers while it is booting.
        """
        action_id = next(self._ids)
        self._send(build({"Action": name, "ActionID": action_id, **fields}))
        deadline = time.monotonic() + self._timeout
        answer: list[Message] = []
        listing = False
        while True:
            message = self._take(action_id, deadline, name)
            answer.append(message)
            if message.response == "Error":
                if name.startswith("PJSIPShow") and NOTHING.match(message.get("Message").strip()):
                    return answer
                if message.get("Message").startswith(NOT_YET):
                    # It answers before all its modules are loaded.
                    raise Retryable(f"AMI {name}: Asterisk does not know it, or not yet")
                raise ActionRefused(f"AMI {name}: {message.get('Message')[:200]}")
            if message.response and message.get("EventList").lower() == "start":
                listing = True
            if not listing or message.get("EventList").lower() in ("complete", "cancelled"):
                return answer

    def post(self, name: str, wait: float, **fields: str) -> None:
        """Send one action whose answer may come late or never; heard for ``wait`` seconds.

        Raises ActionRefused if Asterisk says Error within them, Retryable if the connection ends.
        """
        action_id = next(self._ids)
        self._send(build({"Action": name, "ActionID": action_id, **fields}))
        deadline = time.monotonic() + wait
        while (message := self._pull(deadline)) is not None:
            if message.action_id == action_id:
                if message.response == "Error":
                    raise ActionRefused(f"AMI {name}: {message.get('Message')[:200]}")
                return
            self._keep(message)

    def ping(self) -> float:
        """Return the seconds that Asterisk takes to answer; raises Retryable if it does not."""
        begun = time.monotonic()
        self.action("Ping")
        return time.monotonic() - begun

    def next_event(self, wait: float) -> Message | None:
        """Return the next event, or None after ``wait`` seconds without one.

        Raises Retryable when the connection is gone. Silence alone is not noticed here: ping.
        """
        deadline = time.monotonic() + wait
        while not self._inbox:
            message = self._pull(deadline)
            if message is None:
                return None
            self._keep(message)
        return self._inbox.popleft()

    def events(self, ping_after: float = 10.0) -> Iterator[Message]:
        """Yield events for ever; after ``ping_after`` quiet seconds ask whether Asterisk lives.

        Raises Retryable when it does not answer or the connection is gone.
        """
        while True:
            event = self.next_event(ping_after)
            if event is None:
                self.ping()
            else:
                yield event

    def wait_booted(self, wait: float = 30.0) -> None:
        """Return when Asterisk has sent FullyBooted; needs ``events=True``; raises Retryable."""
        deadline = time.monotonic() + wait
        while (left := deadline - time.monotonic()) > 0:
            event = self.next_event(left)
            if event is not None and event.event == "FullyBooted":
                return
        raise Retryable("AMI: Asterisk is still booting")

    def _login(self) -> None:
        challenge = self.action("Challenge", AuthType="MD5")[0].get("Challenge")
        # MD5 is what AMI speaks; the challenge is fresh and the socket is loopback or TLS.
        key = hashlib.md5((challenge + self._secret).encode(), usedforsecurity=False)
        self.action(
            "Login",
            AuthType="MD5",
            Username=self._username,
            Key=key.hexdigest(),
            Events="on" if self._want_events else "off",
        )

    def _banner(self) -> str:
        """Read the one line that is no message, byte by byte: what follows it is the parser's."""
        line = bytearray()
        connection = self._connected()
        while not line.endswith(b"\r\n"):
            byte = connection.recv(1)
            if not byte or len(line) > 200:
                raise Retryable("AMI: no banner; is it Asterisk?")
            line += byte
        return line.decode("ascii", "replace").strip()

    def _take(self, action_id: str, deadline: float, name: str) -> Message:
        while True:
            message = self._pull(deadline)
            if message is None:
                self.close()
                raise Retryable(f"AMI {name}: no answer within {self._timeout:g} s")
            if message.action_id == action_id:
                return message
            self._keep(message)

    def _pull(self, deadline: float) -> Message | None:
        """Return the next message off the wire, or None at the deadline."""
        while not self._received:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            connection = self._connected()
            try:
                connection.settimeout(left)
                data = connection.recv(65_536)
            except TimeoutError:
                return None
            except OSError as error:
                self.close()
                raise Retryable(f"AMI: connection lost ({error.strerror or error})") from error
            if not data:
                self.close()
                raise Retryable("AMI: Asterisk closed the connection")
            self._received.extend(self._parser.feed(data))
        return self._received.popleft()

    def _keep(self, message: Message) -> None:
        """Keep an event for ``next_event``; answers to actions that were given up are dropped."""
        if not message.event:
            return
        if len(self._inbox) >= BACKLOG:
            self.dropped += 1
            return
        self._inbox.append(message)

    def _send(self, data: bytes) -> None:
        connection = self._connected()
        try:
            connection.settimeout(self._timeout)
            connection.sendall(data)
        except OSError as error:
            self.close()
            raise Retryable(f"AMI: connection lost ({error.strerror or error})") from error

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise Retryable("AMI: not connected")
        return self._socket
