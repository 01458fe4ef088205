"""Where Debian packages come from: the machine's own apt sources, read and never changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

MIRROR_VARIABLE = "DDIWEB_DEBIAN_MIRROR"
_ETC = Path("/etc")
_KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
)
_URI = re.compile(r"\A(?:https?|file)://[^\s\"'<>;{}]{1,300}\Z")


@dataclass(frozen=True)
class Source:
    """One apt source of the machine (sources.list(5))."""

    uri: str
    suites: tuple[str, ...]
    signed_by: str = ""


def read_sources(etc: Path = _ETC / "apt") -> list[Source]:
    """Return the machine's binary apt sources, in deb822 and in one-line form."""
    found: list[Source] = []
    folder = etc / "sources.list.d"
    for path in [etc / "sources.list", *sorted(folder.glob("*.list"))]:
        if path.is_file():
            found += _one_line_sources(path.read_text(errors="replace"))
    for path in sorted(folder.glob("*.sources")):
        found += _deb822_sources(path.read_text(errors="replace"))
    return found


def _one_line_sources(text: str) -> list[Source]:
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)", line)
        if match:
            options = dict(part.split("=", 1) for part in (match[1] or "").split() if "=" in part)
            found.append(Source(match[2], (match[3],), options.get("signed-by", "")))
    return found


def _deb822_sources(text: str) -> list[Source]:
    found = []
    for stanza in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        fields = {
            key.lower(): value.strip()
            for key, value in re.findall(
                r"(?m)^([A-Za-z-]+):[ \t]*((?:.*\n?(?:[ \t]+.*\n?)*))", stanza
            )
        }
        usable = "deb" in fields.get("types", "").split()
        if usable and fields.get("enabled", "yes").lower() not in {"no", "false"}:
            key = fields.get("signed-by", "")
            for uri in fields.get("uris", "").split():
                signed_by = key if key.startswith("/") and "\n" not in key else ""
                found.append(Source(uri, tuple(fields.get("suites", "").split()), signed_by))
    return found


def codename(os_release: Path = _ETC / "os-release") -> str:
    """Return the code name of the machine's release, as "bookworm"; "" when it names none."""
    match = re.search(r"(?m)^VERSION_CODENAME=\"?([a-z]+)", os_release.read_text())
    return match[1] if match else ""


def sources_for(suite: str, machine: Sequence[Source], release: str, override: str) -> list[Source]:
    """Choose where *suite* comes from.

    An override wins (``DDIWEB_DEBIAN_MIRROR``, the URI of a Debian mirror). The machine's own suite
    keeps its updates and security sources; any other suite is taken from the mirror of the
    machine's own suite. Raises LabError when the machine shows no Debian mirror.
    """
    if override:
        return [Source(override, (suite,))]
    own = [
        Source(source.uri, suites, source.signed_by)
        for source in machine
        if (suites := tuple(s for s in source.suites if _belongs(s, release)))
        and "debian" in source.uri
    ]
    mirrors = [source for source in own if release in source.suites]
    if not mirrors:
        raise LabError(
            f"no Debian mirror in this machine's apt sources: set {MIRROR_VARIABLE} to its URI"
        )
    if suite == release:
        return own
    # One keyring signs all suites of the archive; the source's own may be limited to one release.
    return [Source(mirrors[0].uri, (suite,))]


def _belongs(suite: str, release: str) -> bool:
    return suite in {release, f"{release}-updates", f"{release}-security"}


def render_sources(sources: Sequence[Source]) -> str:
    """Return *sources* as deb822 text, each with a keyring; raises LabError without one."""
    keyring = next((path for path in _KEYRINGS if path.is_file()), None)
    stanzas = []
    for source in sources:
        signed_by = source.signed_by or (str(keyring) if keyring else "")
        if not _URI.match(source.uri):
            raise LabError(f"not the URI of a Debian mirror: {source.uri!r}")
        if not signed_by:
            raise LabError("the Debian archive keyring is missing (package debian-archive-keyring)")
        stanzas.append(
            f"Types: deb\nURIs: {source.uri}\nSuites: {' '.join(source.suites)}\n"
            f"Components: main\nSigned-By: {signed_by}\n"
        )
    return "\n".join(stanzas)
