"""Vendors' presets: each can be saved as it is, and fills in the form."""

import pytest
from django.core.exceptions import ValidationError

from peers.models import Trunk, TrunkNetwork, TrunkServer
from peers.presets import Preset, preset, presets
from tests import factories
from tests.db import panel

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.mark.parametrize("one", presets().values(), ids=lambda one: one.key)
def test_each_preset_is_valid_and_says_from_where_and_when_it_is(one: Preset) -> None:
    account = {"username": "account", "password": "secret-of-vendor"}
    trunk = Trunk(node=factories.node(), name="Vendor", **account | one.trunk)
    trunk.full_clean()
    trunk.save()
    for cidr in one.networks:
        TrunkNetwork(trunk=trunk, cidr=cidr).full_clean()
    for server in one.servers:
        TrunkServer(trunk=trunk, **server).full_clean()
    assert one.source
    assert one.note


def test_the_form_begins_with_the_presets_values() -> None:
    factories.node()
    page = panel.client().get("/peers/trunk/add/?preset=telnyx-eu").content.decode()
    for value in ("5.172.39.10/32", "5.172.39.25/32", 'value="5.172.39.25"', "2026-11-24"):
        assert value in page


@pytest.mark.parametrize("key", ["nobody", "../twilio", "TWILIO", "twilio\n"])
def test_an_unknown_preset_is_an_empty_form(key: str) -> None:
    factories.node()
    assert preset(key) is None
    assert panel.client().get("/peers/trunk/add/", {"preset": key}).status_code == 200


def test_a_preset_opens_nothing_before_it_is_saved() -> None:
    factories.node()
    panel.client().get("/peers/trunk/add/?preset=twilio")
    assert not Trunk.objects.exists()
    with pytest.raises(ValidationError):
        TrunkNetwork(trunk=factories.trunk(factories.node()), cidr="0.0.0.0/0").full_clean()
