"""Unpack Debian packages into a folder, without root and without touching the system.

apt resolves the packages with the machine's own mirror, proxy settings and keyring, but with
private state and cache folders and an empty status file, so that the tree holds all libraries down
to libc and runs on any release; ``dpkg -x`` unpacks. Maintainer scripts never run.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.errors import LabError
from lab.mirror import MIRROR_VARIABLE, codename, read_sources, render_sources, sources_for

LISTS_FRESH_SECONDS = 6 * 3600
COMMAND_TIMEOUT = 600
_SUITE = re.compile(r"\A[a-z]{3,20}\Z")
_PACKAGE = re.compile(r"\A[a-z0-9][a-z0-9+.-]{1,80}\Z")


def say(message: str) -> None:
    """Print one progress line to standard error."""
    print(f"[lab] {message}", file=sys.stderr, flush=True)


def _apt_conf(work: Path) -> str:
    """Return the private configuration, read as apt's main file (apt.conf(5)).

    The machine's apt.conf.d is read before it (proxies, timeouts stay in force), its hooks are
    cleared: they would remove files of the system's own cache.
    """
    hooks = [
        "APT::Update::Pre-Invoke",
        "APT::Update::Post-Invoke",
        "APT::Update::Post-Invoke-Success",
        "DPkg::Pre-Invoke",
        "DPkg::Post-Invoke",
        "DPkg::Pre-Install-Pkgs",
        "DPkg::Post-Invoke-Success",
    ]
    settings = {
        "Dir::Etc::main": work / "apt.conf",
        "Dir::Etc::sourcelist": work / "debian.sources",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State": work / "state",
        "Dir::State::status": work / "status",
        "Dir::State::extended_states": work / "extended_states",
        "Dir::Cache": work / "cache",
        "Dir::Log": work / "log",
        "APT::Sandbox::User": "",  # the folders belong to whoever runs this
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "Acquire::GzipIndexes": "true",
        "Acquire::Retries": "3",
    }
    lines = ['#include "/etc/apt/apt.conf";'] if Path("/etc/apt/apt.conf").is_file() else []
    lines += [f"#clear {hook};" for hook in hooks]
    lines += [f'{name} "{value}";' for name, value in settings.items()]
    return "\n".join(lines) + "\n"


class _Apt:
    """apt with private folders for one suite; the package lists are kept between runs."""

    def __init__(self, suite: str, work: Path) -> None:
        self.suite = suite
        self.work = work
        shutil.rmtree(work / "cache/archives", ignore_errors=True)  # of a run that was killed
        for name in ("state/lists/partial", "cache/archives/partial", "log"):
            (work / name).mkdir(parents=True, exist_ok=True)
        (work / "status").touch()
        sources = sources_for(
            suite, read_sources(), codename(), os.environ.get(MIRROR_VARIABLE, "")
        )
        (work / "debian.sources").write_text(render_sources(sources))
        (work / "apt.conf").write_text(_apt_conf(work))
        digest = hashlib.sha256((work / "debian.sources").read_bytes()).hexdigest()[:12]
        self.stamp = work / f"updated-{digest}"

    def _run(self, *arguments: str) -> str:
        environment = os.environ | {
            "APT_CONFIG": str(self.work / "apt.conf"),
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        return run(["apt-get", "-q", *arguments], environment)

    def update(self, *, force: bool = False) -> None:
        fresh = (
            self.stamp.exists() and time.time() - self.stamp.stat().st_mtime < LISTS_FRESH_SECONDS
        )
        if fresh and not force:
            return
        say(f"reading the package lists of {self.suite}")
        self._run("update", "--error-on=any")
        self.stamp.touch()

    def download(
        self, packages: Sequence[str], *, recommends: bool, skip: Sequence[str]
    ) -> list[Path]:
        """Download *packages* with all they depend on; return the files, without the skipped."""
        arguments = ["--yes", f"-oAPT::Install-Recommends={str(recommends).lower()}", "install"]
        self.update()
        try:
            self._run("--download-only", *arguments, *packages)
        except LabError:
            self.update(force=True)  # a list that is hours old may name files that are gone
            self._run("--download-only", *arguments, *packages)
        archives = sorted((self.work / "cache/archives").glob("*.deb"))
        unwanted = re.compile("|".join(rf"\A{pattern}_" for pattern in skip) or r"\A\b\B")
        return [archive for archive in archives if not unwanted.match(archive.name)]


def run(argv: Sequence[str], environment: dict[str, str] | None = None) -> str:
    """Run a command to its end and return what it printed; raise LabError with its last lines."""
    try:
        done = subprocess.run(
            argv,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_TIMEOUT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{argv[0]}: {error}") from error
    if done.returncode:
        tail = " | ".join((done.stderr or done.stdout).strip().splitlines()[-4:])
        raise LabError(f"{Path(argv[0]).name} ended with {done.returncode}: {tail}")
    return done.stdout


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file *path*, which is made if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process ({path.name})")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def unpack(
    suite: str,
    packages: Sequence[str],
    into: Path,
    *,
    recommends: bool = False,
    skip: Sequence[str] = (),
    finish: Callable[[Path], None] | None = None,
) -> None:
    """Unpack *packages* of *suite* and everything they depend on into the folder *into*.

    Does nothing if *into* exists; it appears whole (unpacked beside it, then renamed), also when
    two processes want it at once. *skip* are patterns of package names that are not unpacked.
    *finish* is given the unpacked tree before it gets its name: it may prune, and do what
    maintainer scripts would have done. Raises LabError when the machine has no apt or no mirror.
    """
    if into.is_dir():
        return
    if not _SUITE.match(suite) or not all(_PACKAGE.match(package) for package in packages):
        raise LabError(f"not the name of a suite or a package: {suite} {' '.join(packages)}")
    missing = [tool for tool in ("apt-get", "dpkg") if not shutil.which(tool)]
    if missing:
        raise LabError(f"{' and '.join(missing)} not found: the lab unpacks its tools with them")
    work = into.parent / ".apt" / suite
    with locked(into.parent / ".apt" / f"{suite}.lock"):
        if into.is_dir():
            return
        started = time.monotonic()
        apt = _Apt(suite, work.resolve())
        say(f"downloading {packages[0]} and what it needs ({suite})")
        try:
            archives = apt.download(packages, recommends=recommends, skip=skip)
            say(f"unpacking {len(archives)} packages")
            _unpack_archives(archives, into, finish)
        finally:
            shutil.rmtree(work / "cache/archives", ignore_errors=True)
        say(f"{into.name} is ready after {time.monotonic() - started:.1f} s")


def _unpack_archives(
    archives: Sequence[Path],
    into: Path,
    finish: Callable[[Path], None] | None,
) -> None:
    for leftover in into.parent.glob(f".{into.name}.*"):  # of a run that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{into.name}.", dir=into.parent))
    try:
        with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
            list(pool.map(lambda path: run(["dpkg", "-x", str(path), str(beside)]), archives))
        if finish:
            finish(beside)
        beside.chmod(0o755)
        beside.rename(into)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
