"""Real packages into a real folder."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.kernel

UNPACK = """
import sys
from pathlib import Path
from lab import debian, mirror
suite = mirror.codename()
debian.unpack(suite, ("netbase",), Path(sys.argv[1]), skip=("(?!netbase).*",))
"""


def test_two_processes_that_unpack_at_once_get_one_whole_tree(tmp_path: Path) -> None:
    tree = tmp_path / "netbase"
    argv = [sys.executable, "-c", UNPACK, str(tree)]
    both = [subprocess.Popen(argv, cwd=Path(__file__).parents[2]) for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    assert (tree / "etc/services").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".apt", "netbase"]
