"""Asterisk's static configuration: complete, and nothing in it that could end a line."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ddiweb.deploy.errors import Refused
from peers.realtime.facts import NodeFacts
from peers.realtime.static import Folders, StaticConfig, render_static, write_static

NODE = NodeFacts("lab", "ddi.lab", 5061, 12000, 12099)
SECRET = "s" * 32


def _config(url: str = "sqlite:////var/lib/ddiweb/realtime.sqlite3") -> StaticConfig:
    names = ("etc", "modules", "data", "state", "spool", "run", "log")
    folders = Folders(*(Path("/srv/asterisk") / name for name in names))
    return StaticConfig(
        NODE, folders, url, SECRET, Path("/var/lib/ddiweb/tls"), Path("/var/lib/ddiweb/sounds")
    )


def test_no_placeholder_is_left() -> None:
    for name, text in render_static(_config()).items():
        assert not re.search(r"@[A-Z_]+@", text), name


def test_sqlite_and_postgresql_each_have_their_driver_and_no_other() -> None:
    sqlite = render_static(_config())
    pgsql = render_static(_config("postgresql://asterisk:pw@db.example:5433/realtime"))
    assert ("res_config_sqlite3.conf" in sqlite, "res_pgsql.conf" in sqlite) == (True, False)
    assert ("res_config_sqlite3.conf" in pgsql, "res_pgsql.conf" in pgsql) == (False, True)
    assert "ps_endpoints => pgsql,public,ps_endpoints" in pgsql["extconfig.conf"]
    assert "preload = res_config_pgsql.so" in pgsql["modules.conf"]


def test_a_unix_socket_of_postgresql_is_named_by_its_folder() -> None:
    text = render_static(_config("postgresql://asterisk@/rt?host=/run/pg"))["res_pgsql.conf"]
    assert "dbhost = /run/pg\n" in text


def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    config = _config()
    config = replace(config, folders=replace(config.folders, etc=tmp_path / "etc"))
    write_static(config)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "etc").iterdir()}
    assert modes == {0o600}


@pytest.mark.parametrize("secret", ["short", "x" * 30 + "\n", "x" * 30 + ";", "x" * 65])
def test_a_secret_that_could_end_a_line_is_refused(secret: str) -> None:
    with pytest.raises(Refused, match=r"ami\.secret"):
        replace(_config(), ami_secret=secret)


@pytest.mark.parametrize("path", ["relative", "/a\nb", "/a;b", "/a@B@c"])
def test_a_path_that_could_end_a_line_is_refused(path: str) -> None:
    with pytest.raises(Refused, match="folder etc"):
        replace(_config().folders, etc=Path(path))


def test_a_password_too_long_for_asterisks_buffer_is_refused() -> None:
    with pytest.raises(Refused, match="PG_PASSWORD"):
        render_static(_config(f"postgresql://asterisk:{'x' * 64}@db/realtime"))


def test_the_dialplan_runs_no_program_and_reads_no_file() -> None:
    text = render_static(_config())["extensions.conf"]
    code = "\n".join(line.partition(";")[0] for line in text.splitlines())
    for word in (
        "System(",
        "SHELL(",
        "TrySystem(",
        "Exec",
        "FILE(",
        "ENV(",
        "AGI(",
        "EVAL(",
    ):
        assert word not in code


def test_the_dialplan_asks_this_machines_loopback_alone_and_with_digits_alone() -> None:
    text = render_static(_config())["extensions.conf"]
    assert text.count("CURL(") == 1
    assert "${CURL(http://127.0.0.1:5050/name/${FILTER(0-9,${WHO})})}" in text


def test_the_manager_answers_on_loopback_with_the_least_rights() -> None:
    text = render_static(_config())["manager.conf"]
    assert "bindaddr = 127.0.0.1" in text
    assert "write = system,user,reporting\n" in text
    assert text.partition("_restart]")[2].count("write = command\n") == text.count("command\n") == 1
    assert "read = system,security,call\n" in text


def test_nothing_is_loaded_by_itself() -> None:
    assert "autoload = no" in render_static(_config())["modules.conf"]
