"""Vendors' presets: each can be saved as it is, and fills in the form."""

import pytest
from django.core.exceptions import ValidationError

from peers.models import Trunk, TrunkNetwork, TrunkServer
from peers.presets import Preset, preset, presets
from tests import factories
from tests.db import panel
from tests.db.api import V1, client, faults, operator, pending, user

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


def test_the_api_lists_presets_with_source_and_date() -> None:
    found = client(user("view")).get(V1 + "trunk-presets/").json()
    assert [one["key"] for one in found] == list(presets())
    assert all(one["source"] and one["verified_on"] and one["note"] for one in found)


@pytest.mark.parametrize("one", presets().values(), ids=lambda one: one.key)
def test_a_trunk_begins_with_the_preset_over_the_api_and_own_values_go_before(one: Preset) -> None:
    on = factories.node(slug="london")
    account = {"username": "account", "password": "secret-of-vendor"}
    body = {"node": "london", "name": "Mine", "preset": one.key, "codecs": ["ulaw"], **account}
    answer = client(operator()).post(V1 + "trunks/", body)
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["codecs"], "preset" in made) == (["ulaw"], False)
    assert [row["cidr"] for row in made["networks"]] == sorted(one.networks)
    assert [row["host"] for row in made["servers"]] == [row["host"] for row in one.servers]
    given = {name: value for name, value in one.trunk.items() if name not in body}
    assert {name: made[name] for name in given} == given
    assert pending(on) == 1


def test_what_a_preset_gives_is_checked_as_if_it_were_typed() -> None:
    factories.trunk(factories.node(slug="london"), "5.172.39.0/24")
    body = {"node": "london", "name": "Mine", "preset": "telnyx-eu"}
    answer = client(operator()).post(V1 + "trunks/", body)
    assert set(faults(answer)) == {"networks.0.cidr"}
    assert Trunk.objects.count() == 1


@pytest.mark.parametrize("key", ["nobody", "../twilio", "twilio\n", None, 7, ["twilio"]])
def test_the_api_refuses_a_preset_that_is_not_there_and_names_those_that_are(key: object) -> None:
    factories.node(slug="london")
    body = {"node": "london", "name": "Mine", "preset": key}
    answer = client(operator()).post(V1 + "trunks/", body, format="json")
    assert faults(answer) == {"preset": "does_not_exist"}
    assert "twilio" in answer.content.decode()


def test_an_existing_trunk_has_no_preset() -> None:
    row = factories.trunk(factories.node(slug="london"))
    answer = client(operator()).patch(f"{V1}trunks/{row.pk}/", {"preset": "twilio"})
    assert faults(answer) == {"preset": "immutable"}


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
