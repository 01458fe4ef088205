"""The environment of the tests, set before Django's settings are read (pytest loads this first).

Nothing of an operator's own set-up may leak into a test, so each setting is overwritten.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet

_SCRATCH = Path(tempfile.mkdtemp(prefix="ddiweb-tests-"))
(_SCRATCH / "static").mkdir()
_OWNER = os.getpid()


@atexit.register
def _leave_nothing() -> None:
    """Remove the scratch folder, but not when a forked child ends."""
    if os.getpid() == _OWNER:
        shutil.rmtree(_SCRATCH, ignore_errors=True)


for _name in [name for name in os.environ if name.startswith("DDIWEB_")]:
    if not _name.startswith(("DDIWEB_LAB_", "DDIWEB_DEBIAN_", "DDIWEB_TEST_")):
        del os.environ[_name]
os.environ |= {
    "DDIWEB_VAR": str(_SCRATCH),
    "DDIWEB_SECRET_KEY": "tests-only-" + "k" * 50,
    "DDIWEB_FIELD_KEYS": Fernet.generate_key().decode(),
    "DDIWEB_HTTPS": "false",
    "DDIWEB_NODE": "test",
    "DDIWEB_DATABASE_URL": os.environ.get(
        "DDIWEB_TEST_DATABASE_URL", f"sqlite:///{_SCRATCH}/panel.sqlite3"
    ),
    "DDIWEB_REALTIME_URL": f"sqlite:///{_SCRATCH}/realtime.sqlite3",
    "DDIWEB_AGENT_SOCKET": f"{_SCRATCH}/agent.sock",
    "DDIWEB_REDIS_URL": f"unix://{_SCRATCH}/no-redis.sock",
    "DDIWEB_AMI_SECRET": "tests-only",
    "DDIWEB_DEPLOY_QUIET": "0",
    "DDIWEB_LOG_LEVEL": "WARNING",
}
