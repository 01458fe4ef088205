"""Make ``.venv`` from the lock files, with hashes; a second start costs a few milliseconds.

Standard library only: it runs before anything is installed. A fresh Debian has neither pip nor
ensurepip; then pip's wheel is taken from Debian's package python3-pip-whl, unpacked into
``var/tools`` without root.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from lab import debian, mirror  # noqa: E402 - the path comes first when run as a file
from lab.errors import LabError  # noqa: E402

OLDEST = (3, 11)
VENV = ROOT / ".venv"
RUNTIME = "requirements.txt"
DEVELOPMENT = "requirements-dev.txt"
SYSTEM_WHEELS = Path("/usr/share/python-wheels")
NO_SYSTEM_PIP = "DDIWEB_NO_SYSTEM_PIP"
_NEWER = ("python3.13", "python3.12", "python3.11")
_BLOCK = re.compile(r"(?m)^([a-z0-9][a-z0-9._-]*)==.*(?:\n[ \t]+.*)*")


def say(message: str) -> None:
    """Print one progress line to standard error."""
    print(f"[setup] {message}", file=sys.stderr, flush=True)


def newer_python(candidates: Iterable[str] = _NEWER) -> str | None:
    """Return the path of another Python that is new enough, or None."""
    return next((path for name in candidates if (path := shutil.which(name))), None)


def lock_text(root: Path, *, dev: bool, only: Sequence[str]) -> str:
    """Return what pip shall install: the lock, the developers' lock, or named parts of the latter.

    Raises LabError if a name is not in the developers' lock.
    """
    text = (root / RUNTIME).read_text(encoding="utf-8")
    if not dev and not only:
        return text
    extra = (root / DEVELOPMENT).read_text(encoding="utf-8")
    if dev:
        known = {match[1] for match in _BLOCK.finditer(text)}
        blocks = [m[0] for m in _BLOCK.finditer(extra) if m[1] not in known]
        return "\n".join([text, *blocks, ""])
    found = {match[1]: match[0] for match in _BLOCK.finditer(extra)}
    missing = [name for name in only if name not in found]
    if missing:
        raise LabError(f"{', '.join(missing)}: not in {DEVELOPMENT}")
    return "\n".join([text, *(found[name] for name in only), ""])


def stamp_name(text: str, python: str = sys.version) -> str:
    """Return the name of the file that says "this lock is installed for this Python"."""
    return "ddiweb-" + hashlib.sha256(f"{python}\n{text}".encode()).hexdigest()[:16]


def is_ready(venv: Path, stamp: str) -> bool:
    """Whether the venv holds this lock, still starts and has not been moved since."""
    file = venv / stamp
    return file.is_file() and file.read_text() == str(venv) and (venv / "bin/python").exists()


def pip_wheel(tools: Path) -> Path:
    """Return a wheel of pip: Python's own, the system's, else Debian's, unpacked under *tools*.

    Raises LabError when there is none and the machine has no apt.
    """
    if os.environ.get(NO_SYSTEM_PIP) != "1":
        spec = importlib.util.find_spec("ensurepip")
        own = Path(spec.origin).parent / "_bundled" if spec and spec.origin else SYSTEM_WHEELS
        for folder in (own, SYSTEM_WHEELS):
            if found := sorted(folder.glob("pip-*.whl")):
                return found[-1]
    tree = tools / "pip"
    # The package alone: what it depends on is there, Python itself.
    debian.unpack(mirror.codename(), ("python3-pip-whl",), tree, skip=(r"(?!python3-pip-whl).*",))
    found = sorted((tree / "usr/share/python-wheels").glob("pip-*.whl"))
    if not found:
        raise LabError("no pip on this machine: install python3-venv, then try again")
    return found[-1]


def _make_venv(venv: Path) -> None:
    if venv.exists() and not _starts(venv):
        say(f"{venv.name} does not start on this machine: making it anew")
        shutil.rmtree(venv)
    if not venv.exists():
        debian.run([sys.executable, "-m", "venv", "--without-pip", str(venv)])


def _starts(venv: Path) -> bool:
    """Whether the venv has this Python's version, starts, and stands where it was made."""
    here = f"{venv}|{sys.version_info[0]}.{sys.version_info[1]}"
    code = "import sys; print(f'{sys.prefix}|{sys.version_info[0]}.{sys.version_info[1]}')"
    try:
        answer = subprocess.run(
            [str(venv / "bin/python"), "-c", code],
            capture_output=True, text=True, timeout=60, check=False,
        ).stdout.strip()  # fmt: skip
    except OSError:
        return False
    return answer == here


def pip(tools: Path, *arguments: str, lock: Path) -> None:
    """Let pip install a lock with hashes into the venv, or where *arguments* say.

    Raises LabError with pip's last lines and what to do.
    """
    argv = [
        *(str(VENV / "bin/python"), "-m", "pip", "install", "--quiet", "--no-input"),
        *("--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"),
        *("--requirement", str(lock), *arguments),
    ]
    # From the wheel itself, so that the venv needs no pip of its own; its cache stays in here.
    cache = tools / ".pip-cache"
    environment = os.environ | {"PYTHONPATH": str(pip_wheel(tools)), "PIP_CACHE_DIR": str(cache)}
    done = subprocess.run(
        argv, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        tail = "\n  ".join((errors or done.stderr.splitlines())[-4:])
        raise LabError(
            f"pip could not install {lock.name}:\n  {tail}\n"
            "Is the network, or the package index that pip is set to, within reach? "
            "What was downloaded is kept: run the command again."
        )
    shutil.rmtree(cache, ignore_errors=True)


def bootstrap(*, dev: bool = False, only: Sequence[str] = ()) -> bool:
    """Bring ``.venv`` up to the lock; returns whether there was anything to do."""
    text = lock_text(ROOT, dev=dev, only=only)
    stamp = stamp_name(text)
    if is_ready(VENV, stamp):
        return False
    tools = ROOT / "var/tools"
    with debian.locked(tools / ".bootstrap.lock"):
        if is_ready(VENV, stamp):
            return False
        started = time.monotonic()
        count = sum(1 for _ in _BLOCK.finditer(text))
        say(f"Python {sys.version.split()[0]}: installing {count} packages into {VENV.name}")
        _make_venv(VENV)
        lock = tools / "lock.txt"
        lock.write_text(text, encoding="utf-8")
        pip(tools, lock=lock)
        (VENV / stamp).write_text(str(VENV))
        say(f"{VENV.name} is ready after {time.monotonic() - started:.1f} s")
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """Command line: ``bootstrap.py [--dev] [--only NAME]…``."""
    if sys.version_info[:2] < OLDEST:
        other = newer_python()
        if other is None:
            say("Python 3.11 or newer is needed, and there is none on PATH")
            return 1
        os.execv(other, [other, *sys.argv])  # noqa: S606 - the same script, a newer Python
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="what tests and linters need, too")
    parser.add_argument("--only", action="append", default=[], help="one package of the dev lock")
    options = parser.parse_args(argv)
    try:
        bootstrap(dev=options.dev, only=options.only)
    except LabError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
