"""``make lint``: every check that needs no running part; all are run, then the verdict."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Production's settings, so that ``check --deploy`` judges what will run; these keys guard nothing.
SETTINGS = {
    "DDIWEB_VAR": str(ROOT / "var" / "lint"),
    "DDIWEB_SECRET_KEY": "lint-"
    + "0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "DDIWEB_FIELD_KEYS": "bGludC1saW50LWxpbnQtbGludC1saW50LWxpbnQtbGk=",
    "DDIWEB_HTTPS": "true",
    "DDIWEB_ALLOWED_HOSTS": "panel.example.net",
}
CHECKS = (
    ("ruff check", ("-m", "ruff", "check", ".")),
    ("ruff format", ("-m", "ruff", "format", "--check", "--quiet", ".")),
    ("mypy", ("-m", "mypy")),
    ("check --deploy", ("manage.py", "check", "--deploy", "--fail-level", "WARNING")),
    ("migrations", ("manage.py", "makemigrations", "--check", "--dry-run")),
)


def main() -> int:
    """Run all checks; 1 if one of them has something to say."""
    failed = 0
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DDIWEB_")}
    (ROOT / "var" / "lint").mkdir(parents=True, exist_ok=True)
    for name, arguments in CHECKS:
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT, env=clean | SETTINGS, capture_output=True, text=True, check=False,
        )  # fmt: skip
        word = "FAILED" if done.returncode else "ok"
        print(f"{name:<16} {word:<7} {time.monotonic() - began:5.1f} s", flush=True)
        if done.returncode:
            failed += 1
            print((done.stdout + done.stderr).strip(), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
