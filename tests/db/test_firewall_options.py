"""What may be chosen for a node's firewall: the database's word, and what the agent is told."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils import timezone

from firewall import snapshot
from firewall.models import AddressException, AllowedService
from firewall.ruleset.types import Service
from tests import factories

pytestmark = pytest.mark.django_db


def test_options_reach_the_intent() -> None:
    node = factories.node(
        tls_port=5061, allow_tcp=True, throttle=True, open_rtp=True, countries=["GB"]
    )
    AllowedService.objects.create(node=node, protocol="udp", first=3478, last=3479)
    AddressException.objects.create(node=node, cidr="198.51.100.0/28")
    made = snapshot.take(node)
    assert (made.tls_port, made.tcp, made.throttle, made.open_rtp) == (5061, True, True, True)
    assert made.countries == ("GB",)
    assert made.services == (Service("udp", 3478, 3479),)
    assert made.exceptions == ("198.51.100.0/28",)


def test_what_has_expired_is_left_out() -> None:
    node = factories.node()
    for minutes, last in ((-1, 1), (1, 2)):
        until = timezone.now() + timedelta(minutes=minutes)
        AllowedService.objects.create(node=node, first=last, last=last, expires_at=until)
        AddressException.objects.create(node=node, cidr=f"192.0.2.{last}/32", expires_at=until)
    made = snapshot.take(node)
    assert (made.services, made.exceptions) == (
        (Service("tcp", 2, 2, ends=True),),
        ("192.0.2.2/32",),
    )


@pytest.mark.parametrize(
    "wrong",
    [{"tls_port": 5060}, {"tls_port": 80}, {"ban_failures": 0}, {"trial_seconds": 5}],
    ids=str,
)
def test_the_database_refuses_an_option_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        factories.node(**wrong)


@pytest.mark.parametrize("wrong", ["GB", ["gb"], ["GB", "GB"], [1], {"GB": 1}], ids=str)
def test_countries_out_of_form_are_refused(wrong: Any) -> None:
    node = factories.node()
    node.countries = wrong
    with pytest.raises(ValidationError) as caught:
        node.full_clean()
    assert list(caught.value.message_dict) == ["countries"]


@pytest.mark.parametrize(
    ("protocol", "first", "last"),
    [("udp", 5060, 5060), ("tcp", 5000, 6000), ("udp", 9000, 10_000), ("tcp", 5061, 5061)],
)
def test_a_service_on_ports_with_rules_of_their_own_is_refused(
    protocol: str, first: int, last: int
) -> None:
    row = AllowedService(
        node=factories.node(tls_port=5061), protocol=protocol, first=first, last=last
    )
    with pytest.raises(ValidationError) as caught:
        row.full_clean()
    assert caught.value.error_dict["__all__"][0].code == "ports_taken"
