"""AMI over TLS with a real Asterisk: whoever it is must prove it by a certificate."""

import datetime
import ipaddress
import secrets
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ddiweb.deploy.errors import Refused, Retryable
from lab.pbx import Pbx, PbxPlan
from lab.reach import connect
from peers.realtime.ami import AmiClient
from peers.realtime.static import AmiTls
from tests.asterisk.conftest import NODE, Bench

pytestmark = pytest.mark.asterisk
HOST, PORT = "203.0.113.100", 5039
Client = Callable[..., AmiClient]


def _certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate of HOST, which is its own authority, and its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    path = folder / f"{name}.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, session_bench: Bench) -> Iterator[Client]:
    """A client of a second Asterisk, on another host: whom it trusts, and whom it looks for."""
    folder = tmp_path_factory.mktemp("ami")
    ns = session_bench.world.ns
    own = _certificate(folder, "right")
    _certificate(folder, "other")
    plan = PbxPlan(
        folder / "pbx", NODE, f"sqlite:///{folder / 'rt.sqlite3'}", secrets.token_urlsafe(30),
        ns["admin"], ami_tls=AmiTls(HOST, PORT, own, folder / "right.key", "203.0.113.10/32"),
    )  # fmt: skip

    def made(trusts: str = "right", host: str = HOST, place: str = "srv") -> AmiClient:
        context = None
        if trusts:
            context = ssl.create_default_context(cafile=str(folder / f"{trusts}.pem"))
        return AmiClient(
            host, PORT, plan.ami_user, plan.ami_secret, tls=context, timeout=3.0,
            connect=lambda _, timeout: connect(ns[place], (HOST, PORT), timeout),
        )  # fmt: skip

    with Pbx(plan):
        yield made


def test_a_proved_asterisk_is_spoken_to(client: Client) -> None:
    with client() as ami:
        assert ami.ping() < 3


def test_a_certificate_of_another_authority_is_no_proof(client: Client) -> None:
    with pytest.raises(Retryable, match="certificate verify failed"), client("other"):
        pass


def test_a_certificate_of_another_host_is_no_proof(client: Client) -> None:
    with pytest.raises(Retryable, match="certificate"), client(host="198.51.100.1"):
        pass


def test_an_account_is_for_the_network_that_it_was_made_for(client: Client) -> None:
    with pytest.raises(Refused), client(place="vendor"):
        pass


def test_whoever_speaks_without_tls_gets_no_answer(client: Client) -> None:
    with pytest.raises(Retryable), client(""):
        pass
