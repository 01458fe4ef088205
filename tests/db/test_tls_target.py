"""The TLS target: names follow tokens, renewal, rotation of the authority; Asterisk is a fake."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from ddiweb.deploy.errors import Refused, Retryable
from ddiweb.deploy.models import Deployment, Node
from peers import services
from peers.models import Authority, NodeCertificate, Peer
from peers.tls import authority, names, renewal, roots
from peers.tls.target import TlsTarget
from tests import factories

pytestmark = [pytest.mark.db, pytest.mark.django_db]


class FakeAmi:
    """Notes what it was told; ``down`` makes it fail."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.down = False

    def __enter__(self) -> Self:
        if self.down:
            raise Retryable("no Asterisk")
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def action(self, name: str, **fields: Any) -> None:
        self.told.append({"name": name, **fields})


@pytest.fixture
def node() -> Node:
    # Nobody listens on this port: what Asterisk answers with is tested with a real one.
    return factories.node(tls_port=65001, sip_domain="SIP.example.net")


@pytest.fixture
def ami() -> FakeAmi:
    return FakeAmi()


@pytest.fixture
def target(tmp_path: Path, ami: FakeAmi) -> TlsTarget:
    return TlsTarget(tmp_path / "tls", lambda: ami)  # type: ignore[arg-type, return-value]


def run(target: TlsTarget, node: Node, fence: int = 1) -> tuple[str, ...]:
    """One deployment's worth; returns the lines of its plan."""
    desired = target.render(node)
    plan = target.diff(node, desired, target.read(node))
    if not plan.empty:
        target.apply(node, desired, plan, fence)
    assert target.verify(node, desired) == []
    target.settle(node, desired)
    return plan.lines


def held(target: TlsTarget) -> set[str]:
    """The names of the certificate that is there."""
    return set(authority.names(authority.parse(target.folder.read().certificate)))


def strict(node: Node, **fields: Any) -> Peer:
    peer = factories.peer(node, transport="tls", strict_names=True, **fields)
    services.peer_created(peer)
    return peer


def test_the_first_deployment_makes_authority_certificate_and_transports(
    target: TlsTarget, node: Node, ami: FakeAmi
) -> None:
    run(target, node)
    assert held(target) == {"sip.example.net", "*.sip.example.net"}
    assert "bind = 0.0.0.0:65001" in target.folder.read().transports
    assert ami.told == [{"name": "Reload", "Module": "res_pjsip.so"}]


def test_a_second_deployment_does_nothing(target: TlsTarget, node: Node) -> None:
    run(target, node)
    assert run(target, node) == ()


def test_a_plan_makes_no_authority(target: TlsTarget, node: Node) -> None:
    target.diff(node, target.render(node), target.read(node))
    assert not Authority.objects.exists()


def test_the_authoritys_key_is_encrypted_in_the_database(target: TlsTarget, node: Node) -> None:
    run(target, node)
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM peers_authority")
        assert "PRIVATE" not in cursor.fetchone()[0]


def test_a_strict_phones_names_follow_its_rotation(target: TlsTarget, node: Node) -> None:
    peer = strict(node)
    old = peer.tokens.get()
    run(target, node)
    (new,) = services.rotate([peer], grace=timedelta(hours=1))
    run(target, node, 2)
    both = held(target)
    services.revoke([old])
    run(target, node, 3)
    names_of = [names.of_token(node, token.value) for token in (old, new)]
    assert set(names_of) <= both
    assert (names_of[0] in held(target), names_of[1] in held(target)) == (False, True)


def test_other_phones_are_not_named(target: TlsTarget, node: Node) -> None:
    peer = factories.peer(node, transport="tls")
    services.peer_created(peer)
    run(target, node)
    assert not any(name.startswith("ddi-") for name in held(target))


def test_no_token_stands_in_the_plan_or_in_what_people_see(target: TlsTarget, node: Node) -> None:
    peer = strict(node)
    lines = run(target, node)
    row = NodeCertificate.objects.get(node=node)
    assert peer.tokens.get().value not in f"{lines} {row.names}"


def test_a_certificate_is_renewed_when_two_thirds_of_its_life_are_over(
    target: TlsTarget, node: Node, ami: FakeAmi
) -> None:
    run(target, node)
    before = target.folder.read().certificate
    later = timezone.now() + timedelta(days=61)
    assert renewal.run(later) == 1
    aged = TlsTarget(target.folder.path, lambda: ami, lambda: later)  # type: ignore[arg-type, return-value]
    assert "renewed" in run(aged, node, 2)[0]
    assert target.folder.read().certificate != before


def test_nothing_is_renewed_early(target: TlsTarget, node: Node) -> None:
    run(target, node)
    assert renewal.run(timezone.now() + timedelta(days=59)) == 0


def test_rotation_of_the_authority_keeps_the_old_one_trusted_until_it_is_finished(
    target: TlsTarget, node: Node
) -> None:
    run(target, node)
    old = roots.current()
    assert old is not None
    roots.rotate()
    assert run(target, node, 2)
    assert target.folder.read().certificate.count("BEGIN CERTIFICATE") == 2
    roots.finish()
    run(target, node, 3)
    assert target.folder.read().certificate.count("BEGIN CERTIFICATE") == 1
    old.refresh_from_db()
    assert old.key == ""


def test_a_stolen_authority_is_trusted_no_longer_at_once(target: TlsTarget, node: Node) -> None:
    run(target, node)
    roots.rotate(overlap=False)
    run(target, node, 2)
    assert target.folder.read().certificate.count("BEGIN CERTIFICATE") == 1


def test_a_rotation_asks_for_a_deployment_of_each_node_with_tls(node: Node) -> None:
    factories.node()
    roots.rotate()
    assert [row.node for row in Deployment.objects.all()] == [node]


def test_asterisk_that_was_not_told_is_told_by_the_next_deployment(
    target: TlsTarget, node: Node, ami: FakeAmi
) -> None:
    ami.down = True
    desired = target.render(node)
    with pytest.raises(Retryable):
        target.apply(node, desired, target.diff(node, desired, target.read(node)), 1)
    ami.down = False
    assert "! Asterisk was not told yet" in run(target, node, 2)
    assert ami.told == [{"name": "Reload", "Module": "res_pjsip.so"}]


def test_an_unreadable_certificate_is_replaced(target: TlsTarget, node: Node) -> None:
    run(target, node)
    (target.folder.path / "node.pem").write_text("garbage")
    run(target, node, 2)
    assert held(target)


def test_a_node_without_a_domain_has_no_files(target: TlsTarget, node: Node) -> None:
    run(target, node)
    Node.objects.filter(pk=node.pk).update(sip_domain="")
    node.refresh_from_db()
    run(target, node, 2)
    assert (target.folder.read().certificate, NodeCertificate.objects.count()) == ("", 0)


def test_more_names_than_a_certificate_holds_are_refused(target: TlsTarget, node: Node) -> None:
    for _ in range(authority.MOST_NAMES):
        strict(node)
    with pytest.raises(Refused, match="names"):
        target.render(node)


def test_a_public_certificate_takes_the_place_of_our_own(
    target: TlsTarget, node: Node, tmp_path: Path, settings: Any
) -> None:
    root = authority.new_root("public", timezone.now())
    made = authority.issue(root, ["sip.example.net"], timezone.now())
    (tmp_path / "chain.pem").write_text(made.pem)
    (tmp_path / "key.pem").write_text(made.key)
    settings.TLS_CERTIFICATE, settings.TLS_KEY = tmp_path / "chain.pem", tmp_path / "key.pem"
    run(target, node)
    assert (held(target), Authority.objects.count()) == ({"sip.example.net"}, 0)


def test_a_public_key_that_is_another_certificates_is_refused(
    target: TlsTarget, node: Node, tmp_path: Path, settings: Any
) -> None:
    root = authority.new_root("public", timezone.now())
    (tmp_path / "chain.pem").write_text(root.certificate)
    other = authority.issue(root, ["sip.example.net"], timezone.now())
    (tmp_path / "key.pem").write_text(other.key)
    settings.TLS_CERTIFICATE, settings.TLS_KEY = tmp_path / "chain.pem", tmp_path / "key.pem"
    with pytest.raises(Refused, match="is not the key"):
        target.render(node)


def test_the_command_shows_the_certificate_and_never_the_key(
    target: TlsTarget, node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    run(target, node)
    for verb in ("show", "fingerprint", "rotate", "finish"):
        call_command("ca", verb)
    shown = capsys.readouterr().out
    assert ("BEGIN CERTIFICATE" in shown, "PRIVATE" in shown) == (True, False)


def test_the_command_says_what_to_do_before_there_is_an_authority() -> None:
    with pytest.raises(CommandError, match="TLS port"):
        call_command("ca", "show")
