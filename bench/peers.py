"""What a node with 10 to 100,000 phones costs: an edit of one, an apply of 10,000, memory.

The panel's database and Asterisk's are SQLite; the pipeline, Asterisk and the REGISTER are real.
From before the edit's transaction until Asterisk answers the phone's REGISTER with 200; the hop of
the task through Redis is not in it (`edits` measures that), nor the rules (`token_change` does).
Figures are of the parts in a process of their own, so that its memory is theirs.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.result import Result, median, p95

SIZES = tuple(map(int, os.environ.get("DDIWEB_BENCH_PEERS", "10,1000").split(",")))
_ROOT = Path(__file__).resolve().parent.parent


def run() -> list[Result]:
    """Measure each size; returns the results."""
    told = [_measured(size) for size in SIZES]
    few = told[0]
    results = []
    for size, one in zip(SIZES, told, strict=True):
        against = f"the same with {SIZES[0]} peers"
        runs = len(one["edits"])
        results += [
            Result(f"peer-edit-median-{size}-peers", median(one["edits"]), "s", against,
                   median(few["edits"]) / median(one["edits"]), "under 0.3 s", runs),
            Result(f"peer-edit-p95-{size}-peers", p95(one["edits"]), "s", against,
                   p95(few["edits"]) / p95(one["edits"]), "", runs),
            Result(f"peer-edit-worst-{size}-peers", max(one["edits"]), "s", against,
                   max(few["edits"]) / max(one["edits"]), "", runs),
            Result(f"whole-deployment-{size}-peers", median(one["whole"]), "s", against,
                   median(few["whole"]) / median(one["whole"]), "", runs),
            Result(f"whole-deployment-cpu-{size}-peers", median(one["cpu"]), "s", against,
                   median(few["cpu"]) / median(one["cpu"]), "", runs),
            Result(f"first-apply-{size}-peers", one["first"], "s", against,
                   few["first"] / one["first"], "", 1),
            Result(f"apply-of-{one['more']}-new-to-{size}-peers", one["apply"], "s", against,
                   few["apply"] / one["apply"], "", 1),
            Result(f"worker-memory-{size}-peers", one["worker"], "MiB", against,
                   few["worker"] / one["worker"], "", 1),
            Result(f"asterisk-memory-{size}-peers", one["asterisk"], "MiB", against,
                   few["asterisk"] / one["asterisk"], "", 1),
        ]  # fmt: skip
    return results


def _measured(size: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="ddiweb-bench-") as folder:
        env = {key: text for key, text in os.environ.items() if not _own(key)}
        env |= {
            "DDIWEB_VAR": folder,
            "DDIWEB_SECRET_KEY": "bench-" + "k" * 50,
            "DDIWEB_FIELD_KEYS": "YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmU=",
            "DDIWEB_DATABASE_URL": f"sqlite:///{folder}/panel.sqlite3",
            "DDIWEB_REALTIME_URL": f"sqlite:///{folder}/realtime.sqlite3",
            "DDIWEB_REDIS_URL": f"unix://{folder}/no-redis.sock",
            "DDIWEB_AMI_SECRET": "bench",
            "DDIWEB_DEPLOY_QUIET": "0",
            "DDIWEB_LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "ddiweb.settings",
        }
        done = subprocess.run(
            [sys.executable, "-m", "bench.peers_run", folder, str(size)],
            cwd=_ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _own(name: str) -> bool:
    return name.startswith("DDIWEB_") and not name.startswith(("DDIWEB_LAB_", "DDIWEB_DEBIAN_"))
