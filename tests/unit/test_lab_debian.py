"""Where packages come from, and how a tree appears."""

from pathlib import Path

import pytest

from lab import debian, mirror
from lab.errors import LabError

pytestmark = pytest.mark.unit

MIRROR = "http://mirror.example/debian"
DEB822 = f"""# a comment
Types: deb deb-src
URIs: {MIRROR}
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
Components: main
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def test_enabled_binary_sources_are_read_from_deb822_text(etc: Path) -> None:
    (etc / "sources.list.d" / "debian.sources").write_text(DEB822)
    uris = [source.uri for source in mirror.read_sources(etc)]
    assert uris == [MIRROR, "http://mirror.example/debian-security"]


def test_the_keyring_of_a_deb822_source_is_kept(etc: Path) -> None:
    (etc / "sources.list.d" / "debian.sources").write_text(DEB822)
    keys = [source.signed_by for source in mirror.read_sources(etc)]
    assert keys == ["/usr/share/keyrings/debian-archive-keyring.gpg", ""]


def test_one_line_sources_are_read_with_their_options(etc: Path) -> None:
    (etc / "sources.list").write_text(
        f"# deb http://no.example/debian bookworm main\n"
        f"deb [arch=amd64 signed-by=/k.gpg] {MIRROR} bookworm main contrib\n"
    )
    assert mirror.read_sources(etc) == [mirror.Source(MIRROR, ("bookworm",), "/k.gpg")]


def test_the_machines_own_suite_keeps_updates_and_security(etc: Path) -> None:
    (etc / "sources.list.d" / "debian.sources").write_text(DEB822)
    chosen = mirror.sources_for("bookworm", mirror.read_sources(etc), "bookworm", "")
    suites = [suite for source in chosen for suite in source.suites]
    assert suites == ["bookworm", "bookworm-updates", "bookworm-security"]


def test_another_suite_comes_from_the_mirror_of_the_machines_own(etc: Path) -> None:
    (etc / "sources.list.d" / "debian.sources").write_text(DEB822)
    chosen = mirror.sources_for("forky", mirror.read_sources(etc), "bookworm", "")
    assert chosen == [mirror.Source(MIRROR, ("forky",))]


def test_another_vendors_source_is_not_taken_for_a_mirror() -> None:
    source = mirror.Source("http://tools.example/node", ("bookworm",))
    with pytest.raises(LabError, match=mirror.MIRROR_VARIABLE):
        mirror.sources_for("forky", [source], "bookworm", "")


def test_the_setting_names_the_mirror_when_the_machine_has_none() -> None:
    chosen = mirror.sources_for("forky", [], "", MIRROR)
    assert chosen == [mirror.Source(MIRROR, ("forky",))]


@pytest.mark.parametrize("uri", ["ftp://x/debian", "http://x/\nTrusted: yes", 'http://x/"', "x"])
def test_a_mirror_that_is_no_uri_is_refused(uri: str) -> None:
    with pytest.raises(LabError):
        mirror.render_sources([mirror.Source(uri, ("forky",), "/k.gpg")])


def test_an_unpacked_tree_is_not_unpacked_again(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    debian.unpack("no suite at all", ["nothing"], tree)
    assert list(tmp_path.iterdir()) == [tree]


@pytest.mark.parametrize("package", ["-o=Dir::Bin=x", "a b", "Upper", "x\n"])
def test_a_package_name_that_apt_could_read_as_an_option_is_refused(
    package: str, tmp_path: Path
) -> None:
    with pytest.raises(LabError, match="not the name"):
        debian.unpack("forky", [package], tmp_path / "tree")


def test_a_machine_without_apt_is_told_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="apt-get and dpkg not found"):
        debian.unpack("forky", ["asterisk"], tmp_path / "tree")


def test_the_hooks_of_the_machines_apt_are_cleared(tmp_path: Path) -> None:
    assert "#clear APT::Update::Post-Invoke;" in debian._apt_conf(tmp_path)


def test_a_failed_command_is_reported_with_its_last_lines() -> None:
    with pytest.raises(LabError, match="sh ended with 3: the reason"):
        debian.run(["sh", "-c", "echo the reason >&2; exit 3"])
