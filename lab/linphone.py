"""A Linphone in the lab: linphone-daemon, the engine of the Linphone apps, without a screen."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
import wave
from array import array
from math import pi, sin
from pathlib import Path

from lab.errors import LabError
from lab.process import Namespace, Process, Running
from lab.tools import tool

_RATE = 16_000
_AMPLITUDE = 12_000
_STATUS = re.compile(r"^Status: (Ok|Error)$", re.MULTILINE)
#: Sound goes nowhere; what it calls itself is the token's carrier.
_CONFIG = """[sip]
sip_port=5062
sip_tcp_port=5062
sip_tls_port=-1
guess_hostname=1
user_agent={user_agent}
verify_server_certs=1
verify_server_cn=1
root_ca={ca}
register_only_when_network_is_up=0

[sound]
playback_dev_id=
capture_dev_id=
remote_ring=
local_ring=

[net]
mtu=1300

[video]
enabled=0

[misc]
config-uri={config_uri}
"""


class LinphonePhone(Running):
    """A phone that registers, answers by itself and plays a tone; a context manager.

    ``user_agent`` stands in every request; Linphone adds nothing to it. ``contact_parameters``
    (``x-ddi=…``) are those of its Contact.
    """

    def __init__(
        self,
        ns: Namespace | None,
        folder: Path,
        *,
        user_agent: str = "Linphone-lab",
        tone_hz: int = 700,
        contact_parameters: str = "",
        ca: Path | None = None,
        config_uri: str = "",
    ) -> None:
        if not re.fullmatch(r"[A-Za-z0-9 ._/-]{1,200}", user_agent):
            raise LabError("user agent of Linphone: use plain characters")
        self._ns = ns
        self._folder = folder.resolve()
        self._user_agent = user_agent
        self._tone_hz = tone_hz
        self._contact_parameters = contact_parameters
        self._ca = ca
        self._config_uri = config_uri
        self._process: Process | None = None
        self._buffer = ""

    def start(self) -> None:
        """Start the daemon; raises LabError."""
        (self._folder / ".local/share/linphone").mkdir(parents=True, exist_ok=True)
        config = self._folder / "linphonerc"
        values = {"user_agent": self._user_agent, "config_uri": self._config_uri}
        config.write_text(_CONFIG.format(ca=self._ca or "", **values))
        self._write_tone()
        command = tool("linphone-daemon")
        self._process = Process.start(
            command.line("--config", str(config), "--auto-answer", "--disable-stats-events"),
            env={**command.env, "HOME": str(self._folder), "XDG_DATA_HOME": str(self._folder)},
            cwd=self._folder,
            log=self._folder / "linphone.log",
            ns=self._ns,
            name="linphone",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._do("version")

    def register(
        self, user: str, password: str, server: str, *, transport: str = "udp", wait: float = 10.0
    ) -> bool:
        """Register at ``server``; returns whether it was accepted within ``wait`` seconds."""
        for word in (user, password, server):
            if not re.fullmatch(r"[!-~]{1,128}", word):
                raise LabError("Linphone takes words without blanks only")
        proxy = f"sip:{server}" + ("" if transport == "udp" else f";transport={transport}")
        if transport == "tls":
            self._do("media-encryption srtp")
        account = f"register sip:{user}@{server} {proxy} {password}"
        if self._contact_parameters:
            # user id and realm are left to the daemon
            account += f" NULL NULL {self._contact_parameters}"
        answer = self._do(account)
        found = re.search(r"^Id: (\d+)$", answer, re.MULTILINE)
        if not found:
            raise LabError(f"Linphone does not register: {answer.strip()}")
        return self._registered(found[1], wait)

    def _registered(self, account: str, wait: float) -> bool:
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline:
            state = self._do(f"register-status {account}")
            if "LinphoneRegistrationOk" in state:
                return True
            if "LinphoneRegistrationFailed" in state:
                return False
            time.sleep(0.1)
        return False

    def in_call(self) -> bool:
        """Whether a call's audio runs."""
        return "LinphoneCallStreamsRunning" in self._do("call-status")

    def receives(self, seconds: float = 1.0) -> float:
        """Datagrams a second that its sockets take, for a phone that is alone in its namespace.

        The daemon's own ``call-stats`` ends the daemon.
        """
        before = self._datagrams()
        time.sleep(seconds)
        return (self._datagrams() - before) / seconds

    def _datagrams(self) -> int:
        line = ["cat", "/proc/net/snmp"]
        argv = self._ns.argv(line) if self._ns else line
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=True)
        # InDatagrams stands first of what was counted (Linux, ip(7), RFC 4113).
        return int(re.findall(r"^Udp: ([0-9]+)", done.stdout, re.MULTILINE)[0])

    def play(self) -> None:
        """Play the tone into the running call."""
        self._do(f"incall-player-start {self._folder / 'tone.wav'}")

    def stop(self) -> None:
        """End the daemon."""
        if self._process is not None:
            self._process.stop(2.0)
            self._process = None

    def _write_tone(self) -> None:
        step = 2 * pi * self._tone_hz / _RATE
        samples = array("h", (int(_AMPLITUDE * sin(step * n)) for n in range(_RATE * 10)))
        with wave.open(str(self._folder / "tone.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(_RATE)
            file.writeframes(samples.tobytes())

    def _do(self, command: str, wait: float = 10.0) -> str:
        process = self._process
        if process is None or process.child.stdin is None or process.child.stdout is None:
            raise LabError("Linphone was not started")
        self._buffer = ""
        process.child.stdin.write(command.encode() + b"\n")
        process.child.stdin.flush()
        deadline = time.monotonic() + wait
        output = process.child.stdout.fileno()
        # The answer ends where nothing more comes: it has no end mark of its own.
        while (left := deadline - time.monotonic()) > 0:
            known = _STATUS.search(self._buffer)
            if not select.select([output], [], [], 0.05 if known else left)[0]:
                if known:
                    return self._buffer[known.start() :]
                continue
            data = os.read(output, 65_536)
            if not data:
                raise LabError(f"Linphone ended: see {self._folder / 'linphone.log'}")
            self._buffer += data.decode(errors="replace")
        raise LabError(f"Linphone does not answer {command.split(maxsplit=1)[0]}")
