"""The panel's own authority: what it signs is accepted by OpenSSL, and nothing else is."""

import ssl
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ddiweb.deploy.errors import Refused
from peers.tls import authority
from peers.tls.authority import Signed
from peers.tls.files import Contents, TlsFolder, transports

NOW = datetime.now(UTC)
NAMES = ("sip.example.net", "*.sip.example.net")


@pytest.fixture(scope="module")
def root() -> Signed:
    return authority.new_root("tests", NOW)


def trusted(root: Signed, served: Signed, name: str) -> str:
    """Return "" if a client that trusts ``root`` accepts ``served`` for ``name``, else why not."""
    client, server = ssl.create_default_context(cadata=root.certificate), _server(served)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=name)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (here, there):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
    return "" if here.getpeercert() else "unfinished"


def _server(served: Signed) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(served.pem + served.key)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def test_a_client_that_trusts_the_root_accepts_a_name_below_the_domain(root: Signed) -> None:
    assert trusted(root, authority.issue(root, NAMES, NOW), "token.sip.example.net") == ""


def test_a_name_that_is_not_in_the_certificate_is_refused(root: Signed) -> None:
    assert "mismatch" in trusted(root, authority.issue(root, NAMES, NOW), "sip.example.org")


def test_another_root_is_refused(root: Signed) -> None:
    other = authority.new_root("other", NOW)
    assert "unable to get local issuer" in trusted(
        other, authority.issue(root, NAMES, NOW), "sip.example.net"
    )


def test_a_phone_that_trusts_the_old_root_only_accepts_the_new_ones_certificate(
    root: Signed,
) -> None:
    new = authority.new_root("new", NOW)
    served = authority.issue(new, NAMES, NOW, chain=authority.cross(new, root, NOW))
    assert (trusted(root, served, NAMES[0]), trusted(new, served, NAMES[0])) == ("", "")


def test_without_the_cross_certificate_the_old_root_is_not_enough(root: Signed) -> None:
    new = authority.new_root("new", NOW)
    assert trusted(root, authority.issue(new, NAMES, NOW), NAMES[0])


def test_a_certificate_lives_90_days_and_is_renewed_after_60(root: Signed) -> None:
    made = authority.issue(root, NAMES, NOW).x509
    assert made.not_valid_after_utc - made.not_valid_before_utc == timedelta(days=90)
    assert abs(authority.renewal(made) - NOW - timedelta(days=60)) < timedelta(hours=2)


@pytest.mark.parametrize(
    "name", ["", "sip", "sip.example.net\n", "SIP.example.net", "*.*.net", "a b.net"]
)
def test_what_is_no_host_name_in_small_letters_is_refused(root: Signed, name: str) -> None:
    with pytest.raises(Refused):
        authority.issue(root, (name,), NOW)


def test_a_leaf_can_not_sign(root: Signed) -> None:
    leaf = authority.issue(root, NAMES, NOW)
    forged = authority.issue(leaf, NAMES, NOW, chain=leaf.certificate)
    assert trusted(root, forged, NAMES[0])


def test_the_key_is_in_no_repr(root: Signed) -> None:
    assert "PRIVATE" not in repr(root)


def test_openssl_itself_verifies_the_chain(root: Signed, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(root.certificate)
    (tmp_path / "leaf.pem").write_text(authority.issue(root, NAMES, NOW).pem)
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.pem",
         "leaf.pem"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "leaf.pem: OK", done.stderr


def test_files_are_whole_and_their_owners_alone(tmp_path: Path) -> None:
    folder = TlsFolder(tmp_path / "tls")
    contents = Contents("PEM\n", transports(folder.path, 5061, tmp_path / "ca.pem"), owed=True)
    folder.write(contents, 3)
    modes = {path.stat().st_mode & 0o777 for path in folder.path.iterdir()}
    assert (folder.read(), modes) == (contents, {0o600})


def test_a_debt_to_asterisk_stays_until_it_is_paid(tmp_path: Path) -> None:
    folder = TlsFolder(tmp_path)
    folder.write(Contents("PEM\n", "x\n"), 1)
    before = folder.read().owed
    folder.paid()
    assert (before, folder.read().owed) == (True, False)


def test_a_worker_that_was_overtaken_writes_nothing(tmp_path: Path) -> None:
    folder = TlsFolder(tmp_path)
    folder.write(Contents("new\n", "x\n"), 7)
    with pytest.raises(Refused):
        folder.write(Contents("old\n", "x\n"), 6)
    assert folder.read().certificate == "new\n"


def test_a_folder_that_hands_its_group_down_is_read_by_that_group(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir(mode=0o2750)
    (tmp_path / "tls").chmod(0o2750)
    folder = TlsFolder(tmp_path / "tls")
    folder.write(Contents("PEM\n", "x\n"), 1)
    assert (folder.path / "node.pem").stat().st_mode & 0o777 == 0o640


def test_nothing_is_left_when_tls_is_switched_off(tmp_path: Path) -> None:
    folder = TlsFolder(tmp_path)
    folder.write(Contents("PEM\n", "x\n"), 1)
    folder.write(Contents(), 2)
    assert folder.read() == Contents(owed=True)
