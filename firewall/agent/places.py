"""The files that say which addresses belong to a country: named in the agent's configuration."""

from pathlib import Path
from typing import Literal

from firewall.ruleset.countries import Places, read
from firewall.ruleset.values import Invalid

_LARGEST = 200 * 1024 * 1024  # bytes


class Atlas:
    """Reads a file once for each list of countries, and again when the file has changed."""

    def __init__(self, files: dict[Literal[4, 6], Path]) -> None:
        self._files = files
        self._read: dict[object, Places] = {}

    def places(self, codes: tuple[str, ...], version: Literal[4, 6]) -> Places | None:
        """The places of these countries, None without countries; raises `Invalid`."""
        if not codes:
            return None
        path = self._files.get(version)
        if path is None:
            raise Invalid(
                "countries",
                "are named, but the agent has no list of their addresses",
                "install tor-geoipdb and name its files in the agent's configuration "
                "(country_files)",
            )
        try:
            found = path.stat()
            if found.st_size > _LARGEST:
                raise Invalid("countries", f"{path} is too large", "name the file of tor-geoipdb")
            key = (codes, version, found.st_mtime_ns, found.st_size)
            if key not in self._read:
                with path.open(encoding="ascii", errors="replace") as lines:
                    places = read(lines, codes, version)
                # One list a family is in force; another only while a change is tried.
                self._read = dict(list(self._read.items())[-3:]) | {key: places}
            return self._read[key]
        except OSError as error:
            raise Invalid(
                "countries", f"{path} can't be read: {error.strerror}", "install tor-geoipdb"
            ) from None
