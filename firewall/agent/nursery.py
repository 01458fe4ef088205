"""Children that have read all of the agent's code before they are asked: a fork each.

To read that code takes some ten times as long as to fork. So one process of a single thread is
started for all of an agent's life, `python -m firewall.agent.probe`, with a socket as its standard
input; each request is a descriptor that comes by it, and is answered by a fork that ends with it.
The agent itself has threads, and must not fork. At the socket's end, which is the agent's, the
nursery ends; its forks end with it.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from ddiweb.deploy.errors import Refused

_ROOT = Path(__file__).resolve().parents[2]
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class _Unborn(Refused):
    """The nursery ended after it was given a request and before it made a fork."""


class Nursery:
    """The agent's side."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def ask(self, request: bytes, seconds: float) -> bytes:
        """What a fork answers; raises `Refused`. It and the tools that it started end here."""
        try:
            return self._once(request, seconds)
        except _Unborn:
            return self._once(request, seconds)

    def _once(self, request: bytes, seconds: float) -> bytes:
        pid = 0
        try:
            with self._connect() as ours:
                ours.settimeout(seconds)
                pid = int.from_bytes(ours.recv(4), "big")
                ours.sendall(request)
                ours.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: ours.recv(65_536), b""))
        except TimeoutError:
            raise Refused(f"scratch: no answer within {seconds:g} s") from None
        except OSError as error:
            kind = Refused if pid else _Unborn
            raise kind(f"scratch: no process for it: {error.strerror}") from None
        finally:
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)

    def _connect(self) -> socket.socket:
        """A socket whose other end a fork holds; starts the nursery if it does not run."""
        ours, theirs = socket.socketpair()
        with self._lock, theirs:
            if self._socket is None or self._process is None or self._process.poll() is not None:
                self._socket, self._process = self._start()
            try:
                socket.send_fds(self._socket, [b"."], [theirs.fileno()])
            except OSError:
                # A process that dies lets go of its sockets before its parent can tell its end.
                self._process.kill()
                self._process.wait()
                self._socket, self._process = self._start()
                socket.send_fds(self._socket, [b"."], [theirs.fileno()])
        return ours

    def _start(self) -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
        if self._socket:
            self._socket.close()
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                cwd=_ROOT,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
            )
        return ours, process


def serve(answer: Callable[[bytes], bytes]) -> int:
    """The nursery's side: a fork for each descriptor that comes by standard input, until its end.

    It returns in the nursery alone.
    """
    with socket.socket(fileno=0) as asked:
        while True:
            _, descriptors, _, _ = socket.recv_fds(asked, 1, 1)
            if not descriptors:
                return 0
            _reap()
            if os.fork() == 0:
                _child(asked, descriptors[0], answer)
            os.close(descriptors[0])


def _child(asked: socket.socket, descriptor: int, answer: Callable[[bytes], bytes]) -> None:
    """Answer one request and end, whatever happens."""
    code = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        asked.close()
        with socket.socket(fileno=descriptor) as ours:
            ours.sendall(os.getpid().to_bytes(4, "big"))
            ours.sendall(answer(b"".join(iter(lambda: ours.recv(65_536), b""))))
        code = 0
    finally:
        os._exit(code)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
