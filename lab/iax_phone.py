"""An IAX2 phone: a second Asterisk that registers, answers by itself, plays a tone and listens.

It runs in a namespace of the world and ends with its owner.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from lab.process import Namespace, Process, Running, wait_until
from lab.tone import Heard, heard_in
from lab.tools import asterisk_paths, tool

_MODULES = (
    *("res_timing_timerfd", "res_crypto", "codec_alaw", "codec_ulaw", "codec_a_mu", "codec_g722"),
    *("codec_resample", "codec_opus_open_source", "res_format_attr_opus", "format_wav"),
    *("format_pcm", "pbx_config", "app_playtones", "app_mixmonitor", "app_dial", "func_channel"),
    *("res_clioriginate", "app_transfer"),
    "chan_iax2",
)
_FILES = {
    "asterisk.conf": """[directories]
astetcdir => {home}
astmoddir => {modules}
astvarlibdir => {home}
astdbdir => {home}
astkeydir => {home}
astdatadir => {data}
astagidir => {home}
astspooldir => {home}
astrundir => {home}
astlogdir => {home}
""",
    "modules.conf": "[modules]\nautoload = no\n{load}",
    "logger.conf": "[logfiles]\nconsole => notice,warning,error,verbose,debug\n",
    "iax.conf": """[general]
bindport = {port}
disallow = all
allow = {codec}
{register}
[node]
type = friend
host = {server}
context = in
disallow = all
allow = {codec}
""",
    "extensions.conf": """[in]
exten => s,1,{answer}
 same => n,MixMonitor({home}/both.wav,r({home}/heard.wav))
 same => n,Playtones({tone_hz})
 same => n,Wait(60)
; Once the node has connected both ends.
exten => _[+0-9].,1,Wait(1)
 same => n,Transfer(${{EXTEN}})
""",
}


class IaxPhone(Running):
    """A context manager; ``port`` is its own, ``server`` the node's address.

    One that is ``busy`` refuses every call.
    """

    def __init__(
        self,
        ns: Namespace | None,
        folder: Path,
        *,
        user: str,
        password: str,
        server: str,
        server_port: int = 4569,
        tone_hz: int = 600,
        port: int = 4569,
        codec: str = "alaw",
        busy: bool = False,
    ) -> None:
        self._ns = ns
        self._account = f"{user}:{password}@{server}:{server_port}"
        self.folder = folder.resolve()
        parts = asterisk_paths()
        login = f"{user}:{password}@{server}:{server_port}" if password else ""
        self._values = {
            "home": self.folder,
            "modules": parts.modules,
            "data": parts.data,
            "load": "".join(f"load = {name}.so\n" for name in _MODULES),
            "register": f"register => {login}" if login else "",
            "server": server,
            "tone_hz": tone_hz,
            "port": port,
            "codec": codec,
            "answer": "Busy(1)" if busy else "Answer()",
        }
        self._process: Process | None = None

    def start(self) -> None:
        """Start it; raises LabError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, text in _FILES.items():
            (self.folder / name).write_text(text.format(**self._values))
        command = tool("asterisk")
        self._process = Process.start(
            command.line("-C", str(self.folder / "asterisk.conf"), "-f", "-n"),
            env=dict(command.env),
            cwd=self.folder,
            log=self.folder / "console.log",
            ns=self._ns,
            name="iax-phone",
        )
        log = self.folder / "console.log"
        wait_until(lambda: "Asterisk Ready" in log.read_text(errors="replace"), 15, "it boots")

    def state(self) -> str:
        """Its registration in Asterisk's word: Registered, Timeout, No Authentication, …"""
        lines = self._asked("iax2 show registry").splitlines()
        return lines[1][60:].split("  ")[-1].strip() if len(lines) > 1 else ""

    def registered(self, wait: float = 10.0) -> bool:
        """Whether the node took its registration within ``wait`` seconds."""
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline:
            if "Registered" in self._asked("iax2 show registry"):
                return True
            time.sleep(0.2)
        return False

    def dial(self, number: str, context: str = "", hand_over: str = "") -> None:
        """Call ``number`` for at most three seconds; ``context`` is a wish to the node.

        ``hand_over``: whoever answers is to be connected with that number (RFC 5456, 6.3.4).
        """
        where = f"{number}@{context}" if context else number
        then = f"extension {hand_over}@in" if hand_over else "application Wait 3"
        self._asked(f"channel originate IAX2/{self._account}/{where} {then}")

    def rang(self) -> bool:
        """Whether a call came."""
        return "0 calls processed" not in self._asked("core show calls")

    def in_call(self) -> bool:
        """Whether it has answered."""
        return "1 active call" in self._asked("core show channels")

    def heard(self) -> Heard:
        """The tone in what it heard so far."""
        self._asked("channel request hangup all")
        deadline = time.monotonic() + 3
        found = Heard(0, 0.0, 0.0)
        while not found.hz and time.monotonic() < deadline:
            time.sleep(0.2)
            found = heard_in(self.folder / "heard.wav")
        return found

    def _asked(self, command: str) -> str:
        tools = tool("asterisk")
        done = subprocess.run(
            tools.line("-C", str(self.folder / "asterisk.conf"), "-rx", command),
            env=tools.environ(), capture_output=True, text=True, timeout=15, check=False,
        )  # fmt: skip
        return done.stdout

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.stop(2.0)
            self._process = None
