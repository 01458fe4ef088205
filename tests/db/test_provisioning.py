"""Links that set up a phone: once, briefly, over nobody's shoulder; and what each app is given."""

import configparser
import logging
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from django.core.cache import cache
from django.test import Client

from ddiweb.deploy.models import Node
from peers import passwords, services
from peers.choices import PhoneFormat
from peers.models import Peer, ProvisioningLink
from peers.provisioning import links
from peers.tls import roots
from tests import factories
from tests.db import api, panel

pytestmark = [pytest.mark.db, pytest.mark.django_db]
LPCONFIG = "{http://www.linphone.org/xsds/lpconfig.xsd}"


@pytest.fixture(autouse=True)
def _nobody_was_here(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(links, "PATIENCE", 0.0)  # no worker runs here


def test_a_phone_is_answered_once_its_password_is_in_force(
    monkeypatch: pytest.MonkeyPatch, peer: Peer
) -> None:
    monkeypatch.setattr(links, "PATIENCE", 60.0)
    Node.objects.filter(pk=peer.node_id).update(generation=7, applied_generation=6)
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            Node.objects.filter(pk=peer.node_id).update(applied_generation=7)

    assert (links.wait_until_in_force(peer.node_id, sleep), len(slept)) == (True, 3)


def test_a_node_in_dry_run_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, peer: Peer) -> None:
    monkeypatch.setattr(links, "PATIENCE", 0.5)
    Node.objects.filter(pk=peer.node_id).update(generation=7, applied_generation=6, dry_run=True)
    slept: list[float] = []
    assert (links.wait_until_in_force(peer.node_id, slept.append), slept) == (False, [])


def test_a_phone_is_given_its_file_behind_that_wait(
    monkeypatch: pytest.MonkeyPatch, peer: Peer
) -> None:
    at, waited = path(peer), []
    monkeypatch.setattr(links, "wait_until_in_force", waited.append)
    assert (Client().get(at).status_code, waited) == (200, [peer.node_id])


@pytest.fixture
def peer() -> Peer:
    made = factories.peer(
        factories.node(tls_port=5061, sip_domain="sip.example.net"), transport="tls"
    )
    services.peer_created(made)
    roots.ensure()
    return made


def path(peer: Peer, family: str = "linphone") -> str:
    return f"/p/{links.make(peer, family)[0]}"


def entries(xml: str) -> dict[tuple[str, str], str]:
    """The keys of an lpconfig, each of which must overwrite what the phone has."""
    found = {}
    for section in ElementTree.fromstring(xml).iter(f"{LPCONFIG}section"):  # noqa: S314 - our own
        for entry in section:
            assert entry.get("overwrite") == "true"
            found[section.get("name") or "", entry.get("name") or ""] = entry.text or ""
    return found


def test_a_link_works_once(peer: Peer) -> None:
    at = path(peer)
    assert [Client().get(at).status_code for _ in range(2)] == [200, 404]


def test_a_look_in_passing_does_not_use_it_up(peer: Peer) -> None:
    at = path(peer)
    looks = [Client().head(at).status_code, Client().post(at).status_code]
    assert (looks, Client().get(at).status_code) == ([404, 404], 200)


@pytest.mark.parametrize("how", ["compromised", "revoked"])
def test_a_link_that_was_not_used_dies_with_the_stolen_token(peer: Peer, how: str) -> None:
    secret, _ = links.make(peer, PhoneFormat.GENERIC)
    if how == "compromised":
        services.compromised([peer])
    else:
        services.revoke(list(peer.tokens.all()))
    assert links.redeem(secret) is None


def test_a_link_ends_after_a_quarter_of_an_hour(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = path(peer)
    now = links.trusted.now()
    monkeypatch.setattr(links.trusted, "now", lambda: now + timedelta(minutes=15, seconds=1))
    assert Client().get(at).status_code == 404


def test_a_new_link_ends_the_one_before(peer: Peer) -> None:
    first, second = path(peer), path(peer)
    assert [Client().get(at).status_code for at in (first, second)] == [404, 200]


def test_only_a_hash_is_stored(peer: Peer) -> None:
    secret, row = links.make(peer, "linphone")
    assert len(secret) >= 43
    assert secret not in str(ProvisioningLink.objects.filter(pk=row.pk).values())


def test_it_is_kept_nowhere_on_the_way(peer: Peer) -> None:
    headers = Client().get(path(peer)).headers
    assert (headers["Referrer-Policy"], headers["Cache-Control"]) == (
        "no-referrer",
        "no-store, private",
    )


@pytest.mark.parametrize("verb", ["get", "head", "post"])
def test_it_is_in_no_log_whatever_is_answered(
    peer: Peer, verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    at = path(peer)
    with caplog.at_level(logging.DEBUG):
        for _ in range(14):
            getattr(Client(), verb)(at)
    assert at.removeprefix("/p/") not in caplog.text


def test_guessing_is_told_nothing_more_after_a_while(peer: Peer) -> None:
    codes = [Client().get(f"/p/guess{number}").status_code for number in range(12)]
    assert (codes[0], codes[-1]) == (404, 429)
    assert Client().get(path(peer)).status_code == 429


def test_a_peer_that_was_switched_off_since_is_given_nothing(peer: Peer) -> None:
    at = path(peer)
    Peer.objects.filter(pk=peer.pk).update(enabled=False)
    assert Client().get(at).status_code == 404


def test_linphone_is_given_the_name_the_token_and_a_password_that_wins(peer: Peer) -> None:
    found = entries(Client().get(path(peer)).content.decode())
    token = peer.tokens.get().value
    server = f"{token}.sip.example.net:5061"
    assert found["proxy_0", "reg_proxy"] == f"<sip:{server};transport=tls>"
    assert found["proxy_0", "contact_parameters"] == f"x-ddi={token}"
    peer.refresh_from_db()
    given = found["auth_info_0", "passwd"]
    assert passwords.hashed(peer.username, peer.node.realm, given) == peer.hashes
    assert found["auth_info_0", "ha1"] == ""
    assert (found["sip", "media_encryption"], found["sip", "verify_server_certs"]) == ("srtp", "1")
    assert found["misc", "config-uri"] == ""


def test_a_phone_without_encryption_is_told_so(peer: Peer) -> None:
    Peer.objects.filter(pk=peer.pk).update(transport="udp")
    found = entries(Client().get(path(peer)).content.decode())
    assert found["proxy_0", "reg_proxy"] == "<sip:203.0.113.10:5060;transport=udp>"
    assert found["sip", "media_encryption"] == "none"


def test_microsip_is_given_an_ini_that_parses(peer: Peer) -> None:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read_string(Client().get(path(peer, "microsip")).content.decode())
    token = peer.tokens.get().value
    assert parsed["Account1"]["server"] == f"{token}.sip.example.net:5061"
    assert (parsed["Account1"]["srtp"], parsed["Settings"]["useragent"]) == (
        "mandatory",
        f"MicroSIP {token}",
    )


def test_another_app_is_given_words_and_the_authority(peer: Peer) -> None:
    text = Client().get(path(peer, "generic")).content.decode()
    assert ("Transport:        TLS" in text, "BEGIN CERTIFICATE" in text) == (True, True)


def test_no_app_is_given_the_authoritys_key(peer: Peer) -> None:
    texts = [Client().get(path(peer, family)).content for family in PhoneFormat.values]
    assert not any(b"PRIVATE" in text for text in texts)


def test_a_username_that_carries_the_token_stands_alone(peer: Peer) -> None:
    Peer.objects.filter(pk=peer.pk).update(carrier="username")
    found = entries(Client().get(path(peer)).content.decode())
    assert found["auth_info_0", "username"] == peer.tokens.get().value
    assert ("proxy_0", "contact_parameters") not in found


def test_the_page_shows_the_link_once_with_a_qr_code(peer: Peer) -> None:
    reply = panel.client().post(f"/peers/peer/{peer.pk}/provision/", {"format": "linphone"})
    html = reply.content.decode()
    assert ("data:image/svg+xml" in html, "/p/" in html) == (True, True)
    assert reply.headers["Cache-Control"].startswith("no-store")
    assert reply.headers["Referrer-Policy"] == "no-referrer"


def test_who_may_only_look_makes_no_link(peer: Peer) -> None:
    viewer = panel.client(panel.person("viewer", superuser=False, may=["peers.view_peer"]))
    assert viewer.post(f"/peers/peer/{peer.pk}/provision/").status_code == 403
    assert not ProvisioningLink.objects.exists()


def test_a_peer_without_a_token_is_refused_in_words(peer: Peer) -> None:
    services.revoke(list(peer.tokens.all()))
    reply = panel.client().post(f"/peers/peer/{peer.pk}/provision/", follow=True)
    assert "rotate it first" in reply.content.decode()


def test_the_api_answers_the_link_this_once(peer: Peer, settings: Any) -> None:
    settings.PROVISIONING_URL = "https://phones.example.net"
    answer = api.send(api.client(api.operator()), "post", f"{api.V1}peers/{peer.pk}/provision/", {})
    assert answer.status_code == 200, answer.content
    at = urlsplit(answer.json()["url"])
    assert (at.scheme, at.netloc, Client().get(at.path).status_code) == (
        "https",
        "phones.example.net",
        200,
    )


def test_the_api_refuses_a_peer_that_is_off(peer: Peer) -> None:
    Peer.objects.filter(pk=peer.pk).update(enabled=False)
    client = api.client(api.operator())
    assert api.send(client, "post", f"{api.V1}peers/{peer.pk}/provision/", {}).status_code == 409


@pytest.mark.parametrize(
    ("fields", "word"), [({"transport": "tls"}, "no TLS"), ({"transport": "tcp"}, "TCP")]
)
def test_a_transport_that_the_node_does_not_offer_is_refused(
    fields: dict[str, str], word: str
) -> None:
    peer = factories.peer(factories.node())
    answer = api.send(api.client(api.operator()), "patch", f"{api.V1}peers/{peer.pk}/", fields)
    assert (answer.status_code, word in answer.content.decode()) == (400, True)


def test_exact_names_without_tls_are_refused() -> None:
    peer = factories.peer(factories.node())
    form = panel.peer_form(peer.node, username="bob", strict_names="on")
    assert "TLS only" in panel.client().post("/peers/peer/add/", form).content.decode()
