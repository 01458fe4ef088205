"""What the private trees hold: packages, what is left out of them, and what is added.

Maintainer scripts never run, so a tree names the links they would have made; programs that start
others by path get a small script in their place, which calls the tree's own dynamic loader.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

_PRUNE = (
    *(f"usr/share/{name}" for name in ("doc", "man", "info", "lintian", "perl", "perl5", "locale")),
    *(f"usr/share/{name}" for name in ("bug", "bash-completion", "gdb", "doc-base", "i18n")),
    *(f"usr/lib/{name}" for name in ("*/perl*", "*/gconv", "systemd", "locale")),
)
# Needed by maintainer scripts only, or plug-ins of parts that the lab does not use.
_SKIP = (
    *("perl", "perl-base", "perl-modules-.*", "libperl.*", "adduser", "passwd", "debconf", "dpkg"),
    *("tar", "gpgv?", "gnupg.*", "apt", "init-system-helpers", "base-files", "lsb-base", "ucf"),
    *("procps", "sysvinit-utils", "logrotate", "cron.*", "locales", "tzdata", "coreutils"),
    *("systemd", "systemd-sysv", "login", "util-linux.*", "mount", "bsdutils", "openssl"),
    *("dbus.*", "sensible-utils", "ssl-cert", "shared-mime-info", "lib[a-z0-9-]+-perl"),
)
# Compilers in a graphics driver or a database: hundreds of MB, loaded on demand, never demanded.
_COMPILERS = ("libllvm.*", "libz3-.*", "libgl1-mesa-dri", "libclang.*", "i965-va-driver")


@dataclass(frozen=True)
class Tree:
    """One private tree. *revision* is raised when *finish* does something else than before."""

    name: str
    suite: str
    packages: tuple[str, ...]
    skip: tuple[str, ...] = ()
    prune: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    after: Callable[[Path], None] | None = None
    revision: int = 1

    def __post_init__(self) -> None:
        if not self.packages:
            raise ValueError(f"tree {self.name}: no packages")

    @property
    def folder(self) -> str:
        """Name of the tree's folder; other contents get another folder."""
        parts = (self.suite, self.packages, self.skip, self.prune, self.links, self.revision)
        digest = hashlib.sha256(repr((parts, _SKIP, _PRUNE)).encode()).hexdigest()
        return f"{self.name}-{digest[:10]}"

    @property
    def skipped(self) -> tuple[str, ...]:
        """Patterns of package names that are not unpacked."""
        return (*_SKIP, *self.skip)

    def finish(self, root: Path) -> None:
        """Turn the unpacked packages at *root* into the tree."""
        for pattern in (*_PRUNE, *self.prune):
            for path in root.glob(pattern):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        for name, target in self.links:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(target)
        if self.after:
            self.after(root)


def loader(root: Path) -> tuple[Path, list[Path]]:
    """Return a tree's dynamic loader and its library folders; LabError if it has none."""
    folders = [p for parent in ("usr/lib", "lib") for p in root.glob(f"{parent}/*-linux-gnu*")]
    for folder in folders:
        for found in sorted(folder.glob("ld-linux*.so.*")):
            return found, [*folders, *root.glob("usr/lib/*-linux-gnu*/pulseaudio")]
    raise LabError(f"no dynamic loader in {root.name}: remove the tree and try again")


def write_script(root: Path, program: Path, *, before: str = "", prefix: str = "") -> None:
    """Put a script in the place of *program*, which moves into a folder ``.real`` beside it.

    The script runs from wherever the tree lies. *before* is shell text that runs first, *prefix*
    stands before the command that is executed.
    """
    real = program.parent / ".real" / program.name
    real.parent.mkdir(exist_ok=True)
    program.rename(real)
    found, folders = loader(root)
    up = os.path.relpath(root, program.parent)
    library_path = ":".join(f"$root/{folder.relative_to(root)}" for folder in folders)
    program.write_text(
        "#!/bin/sh\n"
        f'root=$(cd "${{0%/*}}/{up}" && pwd) || exit 127\n'
        f"{before}"
        f'exec {prefix}"$root/{found.relative_to(root)}" --library-path "{library_path}" '
        f'--argv0 "$0" "$root/{real.relative_to(root)}" "$@"\n'
    )
    program.chmod(0o755)


def _finish_postgres(root: Path) -> None:
    # initdb and pg_ctl start postgres from their own folder.
    for program in sorted(root.glob("usr/lib/postgresql/*/bin/*")):
        if program.is_file() and program.read_bytes()[:4] == b"\x7fELF":
            write_script(root, program)


def _finish_linphone(root: Path) -> None:
    # Its grammars are looked up in /usr/share/belr: the tree's /usr/share is put there, in a mount
    # namespace of its own, which needs a user namespace for whoever is not root.
    before = (
        'if [ -z "$LAB_LINPHONE" ]; then\n'
        '  user=$([ "$(id -u)" = 0 ] || echo --map-root-user)\n'
        '  LAB_LINPHONE=1 exec unshare $user --mount "$0" "$@"\n'
        "fi\n"
        'mount --bind "$root/usr/share" /usr/share || exit 127\n'
        "unset LAB_LINPHONE\n"
    )
    write_script(root, root / "usr/bin/linphone-daemon", before=before)


def _finish_scan(root: Path) -> None:
    # The alternatives that BLAS's maintainer scripts would have chosen.
    for found in root.glob("usr/lib/*/blas/libblas.so.3"):
        (found.parent.parent / found.name).symlink_to(f"blas/{found.name}")


_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir prefix="relative">../../usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""


def _finish_chromium(root: Path) -> None:
    # It starts itself again by /proc/self/exe, which must not be a loader: so this tree has no
    # libc, and uses the machine's.
    folders = [*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*")]
    folders += [p for name in ("nss", "pulseaudio") for p in root.glob(f"usr/lib/*/{name}")]
    library_path = ":".join(f"$root/{folder.relative_to(root)}" for folder in folders)
    (root / "etc/fonts/fonts.conf").write_text(_FONTS)
    script = root / "usr/bin/chromium"
    script.write_text(
        "#!/bin/sh\n"
        'root=$(cd "${0%/*}/../.." && pwd) || exit 127\n'
        f'export LD_LIBRARY_PATH="{library_path}" FONTCONFIG_FILE="$root/etc/fonts/fonts.conf"\n'
        'exec "$root/usr/lib/chromium/chromium" "$@"\n'
    )


TREES = {
    tree.name: tree
    for tree in (
        Tree(
            "asterisk",
            "forky",
            ("asterisk", "asterisk-core-sounds-en-gsm"),
            skip=("libsnmp.*", "libsensors.*", "libpci.*", "pci.ids"),
            prune=("usr/lib/*/asterisk/modules/res_snmp.so",),
            links=(("usr/share/asterisk/sounds/en", "en_US_f_Allison"),),
        ),
        Tree("net", "bookworm", ("iptables", "ipset", "conntrack", "iproute2", "tcpdump")),
        Tree("redis", "bookworm", ("redis-server",)),
        Tree(
            "scan",
            "bookworm",
            ("nmap", "sipvicious"),
            skip=("python3.*", "libpython3.*"),
            after=_finish_scan,
        ),
        Tree(
            "rivals",
            "bookworm",
            ("fail2ban", "ufw", "python3-firewall", "firewalld", "python3-nftables"),
            skip=(
                "polkitd.*",
                "libpolkit.*",
                "libmozjs.*",
                "gir1.2-nm-.*",
                "libnm0",
                "libduktape.*",
            ),
        ),
        Tree("sip", "bookworm", ("sip-tester", "sipsak")),
        Tree(
            "linphone",
            "bookworm",
            ("linphone-cli",),
            skip=_COMPILERS,
            after=_finish_linphone,
        ),
        Tree(
            "postgres",
            "bookworm",
            ("postgresql-15",),
            skip=(*_COMPILERS, "postgresql-common", "postgresql-client-common"),
            prune=("usr/lib/postgresql/*/lib/llvmjit*", "usr/lib/postgresql/*/lib/bitcode"),
            after=_finish_postgres,
        ),
        Tree(
            "chromium",
            "bookworm",
            ("chromium", "fonts-dejavu-core", "fontconfig-config"),
            skip=(
                *_COMPILERS,
                *("libc6", "libx265.*", "libsvtav1.*", "adwaita-.*", "hicolor-.*", "xdg-.*"),
                *("gtk-update-.*", "libsystemd-shared", "libgtk-3-bin", "pulseaudio.*"),
            ),
            prune=("usr/lib/chromium/libVk*", "usr/lib/chromium/locales/[!e]*"),
            after=_finish_chromium,
            revision=2,
        ),
    )
}
