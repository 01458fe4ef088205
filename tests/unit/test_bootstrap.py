"""Setting up before anything is installed: which lock, which pip, what is said when it fails."""

import subprocess
import sys
from pathlib import Path

import pytest

from lab import bootstrap, keys, tiers
from lab.errors import LabError

pytestmark = pytest.mark.unit
RUNTIME = "amqp==5.4.2 \\\n    --hash=sha256:aa\n    # via kombu\n"
DEVELOPMENT = (
    "amqp==5.4.2 \\\n    --hash=sha256:aa\npytest==9.0 \\\n    --hash=sha256:bb\n"
    "pjsua2-python==2.15.1.post1 \\\n    --hash=sha256:cc\n    --hash=sha256:dd\n"
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "requirements.txt").write_text(RUNTIME)
    (tmp_path / "requirements-dev.txt").write_text(DEVELOPMENT)
    return tmp_path


def test_a_plain_start_installs_the_runtime_lock_alone(checkout: Path) -> None:
    assert bootstrap.lock_text(checkout, dev=False, only=()) == RUNTIME


def test_a_package_of_both_locks_is_named_once(checkout: Path) -> None:
    assert bootstrap.lock_text(checkout, dev=True, only=()).count("amqp==") == 1


def test_one_package_comes_with_all_of_its_hashes(checkout: Path) -> None:
    text = bootstrap.lock_text(checkout, dev=False, only=["pjsua2-python"])
    assert text.count("sha256:cc") == text.count("sha256:dd") == 1


def test_one_package_does_not_bring_the_other_ones(checkout: Path) -> None:
    assert "pytest" not in bootstrap.lock_text(checkout, dev=False, only=["pjsua2-python"])


def test_a_package_outside_the_lock_is_refused_by_name(checkout: Path) -> None:
    with pytest.raises(LabError, match="leftpad"):
        bootstrap.lock_text(checkout, dev=False, only=["leftpad"])


def test_every_package_of_the_real_locks_has_a_hash() -> None:
    text = bootstrap.lock_text(bootstrap.ROOT, dev=True, only=())
    bare = [m[1] for m in bootstrap._BLOCK.finditer(text) if "--hash=sha256:" not in m[0]]
    assert bare == []


def test_another_python_gets_another_stamp() -> None:
    assert bootstrap.stamp_name("x", "3.11.2") != bootstrap.stamp_name("x", "3.12.0")


def test_a_venv_that_was_moved_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    (tmp_path / "stamp").write_text("/somewhere/else/.venv")
    assert not bootstrap.is_ready(tmp_path, "stamp")


def test_a_stamped_venv_is_ready(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    (tmp_path / "stamp").write_text(str(tmp_path))
    assert bootstrap.is_ready(tmp_path, "stamp")


def test_a_failed_install_says_what_to_do(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("nothing-of-that-name==1.0 --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(LabError, match="within reach"):
        bootstrap.pip(tmp_path, "--no-index", "--find-links", str(tmp_path), lock=lock)


def test_a_machine_without_pip_takes_debians_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def unpack(suite: str, packages: tuple[str, ...], into: Path, **_: object) -> None:
        asked.append(packages)
        folder = into / "usr/share/python-wheels"
        folder.mkdir(parents=True)
        (folder / "pip-23.0.1-py3-none-any.whl").touch()

    monkeypatch.setenv(bootstrap.NO_SYSTEM_PIP, "1")
    monkeypatch.setattr(bootstrap.debian, "unpack", unpack)
    assert bootstrap.pip_wheel(tmp_path).name == "pip-23.0.1-py3-none-any.whl"
    assert asked == [("python3-pip-whl",)]


def test_an_older_python_gives_way_to_a_newer_one_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = tmp_path / "python3.12"
    newer.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrap.newer_python() == str(newer)


def test_bootstrap_needs_the_standard_library_only() -> None:
    code = "import sys; sys.path.insert(0, '.'); import lab.bootstrap"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=bootstrap.ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def test_keys_are_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDIWEB_VAR", str(tmp_path / "var"))
    where = keys.places(tmp_path)
    assert keys.ensure(where) == keys.ensure(where)


def test_nobody_else_looks_into_the_folder_of_the_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DDIWEB_VAR", raising=False)
    assert keys.places(tmp_path).var.stat().st_mode & 0o777 == 0o700


def test_files_with_keys_are_readable_by_their_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDIWEB_VAR", str(tmp_path / "var"))
    where = keys.places(tmp_path)
    keys.ensure(where)
    modes = {path.stat().st_mode & 0o777 for path in (where.keys, where.settings)}
    assert modes == {0o600}


def test_a_folder_too_deep_for_a_unix_socket_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDIWEB_VAR", str(tmp_path / ("x" * 100)))
    with pytest.raises(LabError, match="too long"):
        keys.places(tmp_path)


def test_the_summary_of_a_tier_is_pytests_last_count() -> None:
    output = "x.py ..F\n\x1b[31m1 failed\x1b[0m, 2 passed in 0.42s\n"
    assert tiers.summary(output) == "1 failed, 2 passed"


def test_a_tier_without_tests_proves_nothing() -> None:
    assert not tiers.Result("chaos", tiers.NO_TESTS, 0.1, "").good
