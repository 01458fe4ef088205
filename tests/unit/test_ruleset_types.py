"""What an intent accepts and refuses."""

import json
from dataclasses import replace
from typing import Any

import pytest

from ddiweb.deploy.errors import Refused
from firewall.ruleset.types import Intent, Management, Service, Token
from firewall.ruleset.values import Invalid, redact

pytestmark = pytest.mark.unit
SITE = "ddi-abcdefgh-"
VALUE = SITE + "abcdefghijklmnopqrstuvwxyz"
PLAIN = Intent(
    generation=3,
    sip_port=5060,
    rtp_first=10_000,
    rtp_last=20_000,
    management=(),
    management_ports=(443,),
    vendors=("203.0.113.20/32",),
    bans=(),
    site_prefix=SITE,
    tokens=(Token(1, VALUE),),
    revoked=(2,),
)


def test_an_intent_survives_json() -> None:
    assert Intent.from_json(json.loads(json.dumps(PLAIN.to_json()))) == PLAIN


def test_order_within_lists_has_no_meaning() -> None:
    one = replace(PLAIN, vendors=("203.0.113.20/32", "198.51.100.0/24"), revoked=(9, 2))
    two = replace(PLAIN, vendors=("198.51.100.0/24", "203.0.113.20/32"), revoked=(2, 9))
    assert one.digest() == two.digest()


def test_another_token_is_another_digest() -> None:
    other = replace(PLAIN, tokens=(Token(1, SITE + "b" * 26),))
    assert other.digest() != PLAIN.digest()


@pytest.mark.parametrize(
    "value",
    [
        VALUE + "\n",
        "\n" + VALUE,
        VALUE[:-1] + '"',
        VALUE[:-1] + "\x00",
        VALUE[:-1] + ",",
        VALUE[:-9] + "${SHELL(1)",
        VALUE[:-1] + "1",
        VALUE[:-1] + "A",
        VALUE[:-1] + "\u0430",
        VALUE[:-1],
        VALUE + "a",
        "",
        None,
        7,
        b"x",
    ],
)
def test_a_token_with_anything_but_its_alphabet_is_refused(value: Any) -> None:
    with pytest.raises(Invalid, match="issue the token anew"):
        Token(1, value)


@pytest.mark.parametrize("mark", [0, -1, 1 << 20, True, 1.0, "1", None])
def test_a_mark_outside_20_bits_is_refused(mark: Any) -> None:
    with pytest.raises(Invalid, match=r"token\.mark"):
        Token(mark, VALUE)


@pytest.mark.parametrize(
    "net",
    [
        "0.0.0.0/0",
        "0.0.0.0/1",
        "128.0.0.0/7",
        "::/0",
        "2000::/15",
        "010.1.1.1/32",
        "10.1.1.1",
        "10.1.1.1/24",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/33",
        "a,0.0.0.0/0",
        "vendor.example",
        "2001:DB8::/32",
        "2001:db8:0::/48",
        "::ffff:1.2.3.4/128",
        "::1/128",
        "fe80::%eth0/64",
        "10.0.0.0/8\n",
        "10.0.0.0/8 ",
        "\x0010.0.0.0/8",
        "",
        None,
        10,
    ],
)
@pytest.mark.parametrize("field", ["vendors", "bans", "management"])
def test_a_network_that_is_not_canonical_and_narrow_is_refused(field: str, net: Any) -> None:
    with pytest.raises(Invalid) as caught:
        replace(PLAIN, **{field: (net,)})
    assert caught.value.field == f"{field}[0]"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"generation": -1}, "generation"),
        ({"generation": True}, "generation"),
        ({"sip_port": 0}, "sip_port"),
        ({"sip_port": 65_536}, "sip_port"),
        ({"sip_port": 15_000}, "sip_port"),
        ({"rtp_first": 80}, "rtp_first"),
        ({"rtp_last": 9_999}, "rtp_last"),
        ({"management_ports": (443, 443)}, "management_ports"),
        ({"management_ports": (0,)}, "management_ports[0]"),
        ({"management_ports": tuple(range(1, 17))}, "management_ports"),
        ({"management_ports": (5060,)}, "management_ports"),
        ({"vendors": ("203.0.113.20/32",) * 2}, "vendors"),
        ({"site_prefix": "ddi-abcdefgh"}, "site_prefix"),
        ({"site_prefix": "ddi-ABCDEFGH-"}, "site_prefix"),
        ({"site_prefix": SITE + "\n"}, "site_prefix"),
        ({"site_prefix": "ddi-22222222-"}, "tokens[0].value"),
        ({"tokens": (Token(1, VALUE), Token(1, SITE + "b" * 26))}, "tokens"),
        ({"tokens": (Token(1, VALUE), Token(3, VALUE))}, "tokens"),
        ({"tokens": ("x",)}, "tokens[0]"),
        ({"tokens": "x"}, "tokens"),
        ({"revoked": (1,)}, "revoked"),
        ({"revoked": (2, 2)}, "revoked"),
        ({"revoked": (0,)}, "revoked[0]"),
        ({"revoked": tuple(range(2, 4099))}, "revoked"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        replace(PLAIN, **changes)
    assert caught.value.field == field


def test_an_error_names_fault_and_remedy() -> None:
    with pytest.raises(Invalid) as caught:
        replace(PLAIN, sip_port=0)
    assert str(caught.value) == "sip_port: is out of range; give a number from 1 to 65535"


@pytest.mark.parametrize("raw", [None, [], "x", 1, {}, {"generation": 1}])
def test_json_that_is_not_an_intent_is_refused(raw: Any) -> None:
    with pytest.raises(Refused):
        Intent.from_json(raw)


def test_a_missing_field_is_refused() -> None:
    raw = PLAIN.to_json()
    del raw["bans"]
    with pytest.raises(Invalid, match=r"intent\.bans: is missing"):
        Intent.from_json(raw)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(Invalid, match="unknown field"):
        Intent.from_json(PLAIN.to_json() | {"rule": "-j ACCEPT"})


def test_a_wrong_token_in_json_is_named_by_its_place() -> None:
    raw = PLAIN.to_json()
    raw["tokens"][0]["value"] = "x\n"
    with pytest.raises(Invalid) as caught:
        Intent.from_json(raw)
    assert caught.value.field == "tokens[0].value"


def test_an_error_never_repeats_a_token() -> None:
    with pytest.raises(Invalid) as caught:
        Token(1, VALUE + "\n")
    assert VALUE[13:] not in str(caught.value)


@pytest.mark.parametrize(
    ("networks", "ports"), [((), (22,)), (("10.0.0.0/8",), ()), (("0.0.0.0/0",), (22,))]
)
def test_management_without_a_network_or_a_port_is_refused(
    networks: tuple[str, ...], ports: tuple[int, ...]
) -> None:
    with pytest.raises(Invalid):
        Management(networks, ports)


def test_redaction_keeps_the_site_prefix_and_four_characters() -> None:
    assert redact(f"a {VALUE} b") == "a ddi-abcdefgh-abcd\u2026 b"


def test_a_protocol_that_is_no_text_is_refused_by_name() -> None:
    with pytest.raises(Invalid, match=r"service\.protocol"):
        Service({}, 1, 1)  # type: ignore[arg-type]
