"""Read the environment strictly: a bad value stops the start with its name.

Order, first wins: the process's environment, ``.env`` beside ``manage.py`` (an operator's), then
``sandbox.env`` and ``ddiweb.env`` of the folder ``DDIWEB_VAR`` (``var/`` if not set), which
``make run`` writes. A secret ``NAME`` may be given as ``NAME_FILE``, the path of a file that holds
it, so that it stands neither in a unit file nor in ``ps e``.
"""

import os
from pathlib import Path

from environs import Env

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(os.environ.get("DDIWEB_VAR") or BASE_DIR / "var")

env = Env()
for candidate in (BASE_DIR / ".env", VAR_DIR / "sandbox.env", VAR_DIR / "ddiweb.env"):
    if candidate.is_file():
        env.read_env(str(candidate), recurse=False, override=False)


class MissingSettingError(RuntimeError):
    """A required setting is absent; the text names it and the remedy."""


def secret(name: str, default: str | None = None) -> str:
    """Return the secret ``name``, from ``NAME`` or the file that ``NAME_FILE`` points to.

    Raises MissingSettingError if neither is set and there is no default, or the file can't be read.
    """
    path = env.str(f"{name}_FILE", "")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise MissingSettingError(f"{name}_FILE: {path} can't be read: {error}") from error
    value = env.str(name, default)
    if not value:
        raise MissingSettingError(
            f"{name} is not set. Set it, or {name}_FILE, in the environment or in .env "
            "(`make run` makes one; .env.example shows each setting)."
        )
    return str(value)
