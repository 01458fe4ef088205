"""Which program is started, and how."""

import os
import subprocess
from pathlib import Path

import pytest

from lab import tools, trees
from lab.errors import LabError

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(tools.FOLDER_VARIABLE, str(tmp_path / "tools"))
    monkeypatch.setenv(tools.PRIVATE_VARIABLE, "1")
    tools._tool.cache_clear()
    return tmp_path / "tools"


def fake_tree(folder: Path, name: str, program: str) -> Path:
    root = folder / trees.TREES[name].folder
    library = root / "usr/lib/x86_64-linux-gnu"
    library.mkdir(parents=True)
    (library / "ld-linux-x86-64.so.2").touch()
    (root / program).parent.mkdir(parents=True, exist_ok=True)
    (root / program).touch()
    return root


def test_a_private_program_is_started_by_its_trees_own_loader(folder: Path) -> None:
    root = fake_tree(folder, "net", "usr/sbin/ipset")
    library = root / "usr/lib/x86_64-linux-gnu"
    assert tools.tool("ipset").line("list") == [
        *(f"{library}/ld-linux-x86-64.so.2", "--library-path", str(library)),
        *("--argv0", "ipset", f"{root}/usr/sbin/ipset", "list"),
    ]


def test_a_multi_call_binary_is_told_its_name(folder: Path) -> None:
    fake_tree(folder, "net", "usr/sbin/xtables-legacy-multi")
    argv = tools.tool("ip6tables-legacy-restore").argv
    assert argv[argv.index("--argv0") + 1] == "ip6tables-legacy-restore"


def test_iptables_is_told_where_its_plugins_are(folder: Path) -> None:
    root = fake_tree(folder, "net", "usr/sbin/xtables-nft-multi")
    variables = tools.tool("iptables-nft-restore").env
    assert variables == {"XTABLES_LIBDIR": f"{root}/usr/lib/x86_64-linux-gnu/xtables"}


def test_a_tree_that_lost_its_program_is_named(folder: Path) -> None:
    fake_tree(folder, "net", "usr/sbin/other")
    with pytest.raises(LabError, match="remove the tree"):
        tools.tool("ipset")


def test_the_systems_own_program_is_preferred(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.delenv(tools.PRIVATE_VARIABLE)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.tool("redis-server") == tools.Command((str(program),))


def test_a_systems_asterisk_of_another_version_is_not_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "asterisk"
    program.write_text("#!/bin/sh\necho Asterisk 18.1\n")
    program.chmod(0o755)
    root = fake_tree(folder, "asterisk", "usr/sbin/asterisk")
    monkeypatch.delenv(tools.PRIVATE_VARIABLE)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert tools.tool("asterisk").root == root


def test_an_unknown_program_is_refused(folder: Path) -> None:
    with pytest.raises(LabError, match="no package for it"):
        tools.tool("no-such-program")


def test_another_package_list_is_another_tree() -> None:
    one, two = trees.Tree("x", "forky", ("a",)), trees.Tree("x", "forky", ("a", "b"))
    assert one.folder != two.folder


def test_every_tool_has_a_tree() -> None:
    assert {tool.tree for tool in tools.TOOLS.values()} <= set(trees.TREES)


def test_a_script_in_a_programs_place_hands_all_arguments_on(tmp_path: Path) -> None:
    library = tmp_path / "usr/lib/x86_64-linux-gnu"
    library.mkdir(parents=True)
    loader = library / "ld-linux-x86-64.so.2"
    loader.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    loader.chmod(0o755)
    program = tmp_path / "usr/bin/it"
    program.parent.mkdir()
    program.touch()
    trees.write_script(tmp_path, program)
    said = subprocess.run([program, "a b", "$c"], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == [
        *("--library-path", str(library), "--argv0", str(program)),
        *(f"{tmp_path}/usr/bin/.real/it", "a b", "$c"),
    ]


def test_what_maintainer_scripts_would_link_is_linked(tmp_path: Path) -> None:
    tree = trees.Tree("x", "forky", ("a",), links=(("usr/share/en", "en_US"),))
    tree.finish(tmp_path)
    assert (tmp_path / "usr/share/en").readlink() == Path("en_US")


def test_documentation_is_pruned(tmp_path: Path) -> None:
    (tmp_path / "usr/share/doc/x").mkdir(parents=True)
    trees.Tree("x", "forky", ("a",)).finish(tmp_path)
    assert not (tmp_path / "usr/share/doc").exists()
