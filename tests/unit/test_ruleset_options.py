"""The options of an intent: what each accepts, and what an older side leaves out."""

from dataclasses import replace
from typing import Any

import pytest

from firewall.ruleset.types import Intent, Service
from firewall.ruleset.values import Invalid
from tests.unit.test_ruleset_types import PLAIN

WEB = Service("tcp", 80, 80)
FULL = replace(
    PLAIN,
    tls_port=5061,
    tcp=True,
    throttle=True,
    open_rtp=True,
    countries=("FR", "GB"),
    services=(WEB, Service("udp", 3478, 3479, "198.51.100.0/24")),
    exceptions=("198.51.100.0/28",),
)


def test_options_survive_the_way_through_json() -> None:
    assert Intent.from_json(FULL.to_json()) == FULL


def test_an_option_that_an_older_side_does_not_name_is_off() -> None:
    old = {name: value for name, value in PLAIN.to_json().items() if name not in OPTIONS}
    assert Intent.from_json(old) == PLAIN


OPTIONS = {
    "tls_port",
    "tcp",
    "throttle",
    "open_rtp",
    "countries",
    "services",
    "exceptions",
    "iax_port",
}


def test_countries_have_one_order() -> None:
    assert (
        replace(PLAIN, countries=("GB", "FR")).digest()
        == replace(PLAIN, countries=("FR", "GB")).digest()
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tls_port": -1}, "tls_port"),
        ({"iax_port": PLAIN.sip_port}, "iax_port"),
        ({"iax_port": PLAIN.rtp_first}, "iax_port"),
        ({"tls_port": True}, "tls_port"),
        ({"tls_port": PLAIN.sip_port}, "tls_port"),
        ({"tls_port": PLAIN.management_ports[0]}, "tls_port"),
        ({"tcp": 1}, "tcp"),
        ({"throttle": "yes"}, "throttle"),
        ({"open_rtp": None}, "open_rtp"),
        ({"countries": ("gb",)}, "countries[0]"),
        ({"countries": ("GB\n",)}, "countries[0]"),
        ({"countries": ("GB", "GB")}, "countries"),
        ({"countries": "GB"}, "countries"),
        ({"exceptions": ("0.0.0.0/0",)}, "exceptions[0]"),
        ({"services": (("tcp", 80, 80, ""),)}, "services[0]"),
        ({"services": (WEB, WEB)}, "services"),
        ({"services": (Service("udp", PLAIN.sip_port, PLAIN.sip_port),)}, "services[0]"),
        ({"services": (Service("tcp", 5000, 6000),)}, "services[0]"),
        ({"services": (Service("udp", 1, PLAIN.rtp_first),)}, "services[0]"),
        ({"tls_port": 5061, "services": (Service("tcp", 5061, 5061),)}, "services[0]"),
        ({"services": (Service("tcp", 1, PLAIN.management_ports[0]),)}, "services[0]"),
    ],
)
def test_an_option_out_of_form_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        replace(PLAIN, **changes)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (("icmp", 1, 1), "protocol"),
        (("tcp", 0, 1), "first"),
        (("tcp", 2, 1), "last"),
        (("tcp", 1, 70_000), "last"),
        (("tcp", 1, 1, "198.51.100.1"), "network"),
        (("tcp", 1, 1, "198.51.100.1/24"), "network"),
    ],
)
def test_a_service_out_of_form_is_refused(values: Any, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        Service(*values)
    assert caught.value.field == f"service.{field}"


def test_a_wrong_service_on_the_wire_is_named_by_its_place() -> None:
    raw = FULL.to_json()
    raw["services"][1]["first"] = 0
    with pytest.raises(Invalid, match=r"\Aservices\[1\]\.first: "):
        Intent.from_json(raw)
