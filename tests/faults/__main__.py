"""`python -m tests.faults [NUMBER …]`: seed each fault in a copy of the tree; is it noticed?

Prints a line each and `caught/total`; exit 1 if more than one got through.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.catalogue import FAULTS, Fault

ROOT = Path(__file__).resolve().parents[2]
MISSES = 1


def main() -> int:
    """Try the faults of the given numbers, or all."""
    chosen = [int(word) for word in sys.argv[1:]] or range(1, len(FAULTS) + 1)
    missed = 0
    with tempfile.TemporaryDirectory(prefix="ddiweb-faults-") as folder:
        tree = copy(Path(folder))
        for number in chosen:
            fault = FAULTS[number - 1]
            begun = time.monotonic()
            noticed = caught(tree, fault)
            missed += not noticed
            took = time.monotonic() - begun
            word = "caught" if noticed else "MISSED"
            print(f"{number:>2} {word} {took:5.0f} s  {fault.what} ({fault.where})", flush=True)
    print(f"{len(chosen) - missed}/{len(chosen)} caught")
    return int(missed > MISSES)


def copy(folder: Path) -> Path:
    """The tree's files without what is not in it; returns the copy."""
    tree = folder / "tree"
    left_out = shutil.ignore_patterns(".venv", "var", ".git", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, tree, ignore=left_out, symlinks=True)
    return tree


def caught(tree: Path, fault: Fault) -> bool:
    """Whether the fault is noticed in `tree`, which is left as it was."""
    file = tree / fault.file
    sound = file.read_text(encoding="utf-8")
    if sound.count(fault.old) != 1:
        raise SystemExit(f"{fault.what}: stands {sound.count(fault.old)} times in {fault.file}")
    file.write_text(sound.replace(fault.old, fault.new), encoding="utf-8")
    try:
        return not passes(tree, command(fault))
    finally:
        file.write_text(sound, encoding="utf-8")


def command(fault: Fault) -> list[str]:
    """What Python has to run."""
    if fault.where == "duel":
        duel = ["-m", "tests.kernel.duel", "--backend", "nft", "--seed", "faults"]
        return [*duel, "--packets", "3000"]
    name, _, words = fault.where.partition(" ")
    pytest = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/{name}"]
    return [*pytest, "-k", words] if words else pytest


def passes(tree: Path, arguments: list[str]) -> bool:
    """Whether the tests see nothing wrong."""
    tools = os.environ.get("DDIWEB_LAB_TOOLS", str(ROOT / "var" / "tools"))
    env = os.environ | {"PYTHONPATH": str(tree), "DDIWEB_LAB_TOOLS": tools}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tree, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode not in {0, 1, 2}:
        raise SystemExit(f"{arguments[:3]} ended with {done.returncode}: {done.stdout[-800:]}")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
