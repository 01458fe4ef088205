"""The Unix socket: who may speak, how many at once, and no client can end the process."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from ddiweb.deploy.errors import DeployError, Refused
from firewall.agent import jail, protocol
from firewall.agent.config import Config
from firewall.agent.doors import BigPlace, Places, listen
from firewall.agent.flows import endpoint
from firewall.agent.log import log
from firewall.agent.probe import Prober
from firewall.agent.trial import TrialEngine
from firewall.ruleset.packet import packets
from firewall.ruleset.types import Intent

#: Seconds after which an end is noticed whose signal came in just before the kernel was asked for
#: the next client: nothing wakes it then.
_LOOK = 1.0
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: struct ucred of unix(7)


class Server:
    """Accepts, checks the peer's uid, answers one request a connection."""

    def __init__(self, config: Config, engine: TrialEngine) -> None:
        self._config = config
        self._engine = engine
        self._prober = Prober(config, engine)
        self._places = Places()
        self._listener = listen(config.socket)
        self._listener.settimeout(_LOOK)
        self._ended = threading.Event()

    def serve(self) -> None:
        """Answer until `stop`."""
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError as error:
                if self._ended.is_set():
                    return
                log("accept", error=error.strerror)
                time.sleep(0.1)  # out of descriptors: leave the running ones time to end
                continue
            self._receive(connection)

    def _receive(self, connection: socket.socket) -> None:
        """Give a connection a thread, if its user may speak and has room left."""
        try:
            uid = _peer_uid(connection)
            if uid not in self._config.allowed_uids:
                raise Refused(f"uid: {uid} is not allowed; add it to allowed_uids of the agent")
            self._places.take(uid)
        except (DeployError, OSError) as error:
            if isinstance(error, DeployError):
                log("turned away", reason=str(error))
                _answer(connection, protocol.error_answer(error), 0.1)
            connection.close()
            return
        try:
            threading.Thread(target=self._converse, args=(connection, uid), daemon=True).start()
        except RuntimeError:
            self._places.leave(uid)
            connection.close()

    def stop(self) -> None:
        """End `serve` and take the socket's file away."""
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._config.socket.unlink(missing_ok=True)

    def _converse(self, connection: socket.socket, uid: int) -> None:
        try:
            with connection, self._places.big() as place:
                self._exchange(connection, uid, place)
        except Exception as error:  # the process outlives whatever a client does
            log("client", error=type(error).__name__)
        finally:
            self._places.leave(uid)

    def _exchange(self, connection: socket.socket, uid: int, place: BigPlace) -> None:
        started = time.monotonic()
        verb = ""
        try:
            request = protocol.decode(protocol.receive(connection, admit=place.take))
            verb = request["verb"]
            answer = {"ok": True, **self._verb(verb)(request)}
        except protocol.Hangup as error:
            log("hangup", uid=uid, reason=str(error))
            return
        except DeployError as error:
            answer = protocol.error_answer(error)
        except Exception as error:
            log("bug", uid=uid, verb=verb, error=type(error).__name__)
            answer = protocol.error_answer(DeployError("agent: an error of its own; see its log"))
        took = round((time.monotonic() - started) * 1000, 1)
        told = {key: answer[key] for key in ("changed", "digest", "error") if key in answer}
        log("request", uid=uid, verb=verb, ok=answer["ok"], ms=took, **told)
        _answer(connection, answer, protocol.SECONDS)

    def _verb(self, name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        engine = self._engine
        verbs: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "apply": lambda r: engine.apply(
                Intent.from_json(r["intent"]),
                r["fence"],
                r.get("window", 0),
                hold=r.get("hold", False),
                requested_from=r.get("requested_from"),
            ),
            "confirm": lambda r: engine.confirm(r["fence"]),
            "amend": lambda r: engine.amend(*protocol.amendment(r)),
            "plan": lambda r: {"lines": engine.plan(Intent.from_json(r["intent"]))},
            "status": lambda r: engine.status(),
            "cut": lambda r: engine.cut(protocol.marks(r["marks"])),
            "counters": lambda r: engine.counters(),
            "rollback": lambda r: engine.rollback(r["fence"]),
            "probe": lambda r: self._prober.probe(packets(r["packets"]), _optional(r["intent"])),
            "revoke": lambda r: engine.revoke(protocol.marks(r["marks"]), r["fence"]),
            "jail": lambda r: engine.jail.jail(jail.entries(r["entries"])),
            "unjail": lambda r: engine.jail.unjail(jail.networks(r["networks"])),
            "jailed": lambda r: {"held": engine.jail.held()},
            "whose": lambda r: {"mark": engine.flows.whose(*endpoint(r["address"], r["port"]))},
            "places": lambda r: {"places": engine.flows.places()},
        }
        return verbs[name]


def _optional(raw: Any) -> Intent | None:
    """The intent of a request; null is the one in force."""
    return None if raw is None else Intent.from_json(raw)


def _peer_uid(connection: socket.socket) -> int:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(raw)[1]
    return uid


def _answer(connection: socket.socket, answer: dict[str, Any], seconds: float) -> None:
    with contextlib.suppress(OSError):
        protocol.send(connection, answer, seconds=seconds)
