"""The form of a token: no name, realm or other token can hold one, whatever is drawn or typed."""

import re

import pytest
from django.core.exceptions import ValidationError
from hypothesis import assume, given
from hypothesis import strategies as st

from ddiweb import validators
from ddiweb.deploy.models import BASE32, new_site_prefix
from ddiweb.redact import TOKEN, redacted
from firewall.ruleset.types import Token
from peers.services import TOKEN_RANDOM

pytestmark = pytest.mark.unit
drawn = st.text(BASE32, min_size=8, max_size=8).map(lambda text: f"ddi-{text}-")
tails = st.text(BASE32, min_size=TOKEN_RANDOM, max_size=TOKEN_RANDOM)
tokens = st.builds(str.__add__, drawn, tails)
names = st.text("abdiz27_.-", max_size=40)


def accepted(check: object, value: str) -> bool:
    try:
        check(value)  # type: ignore[operator]
    except ValidationError:
        return False
    return True


@given(tokens)
def test_a_token_is_39_characters_of_small_letters_digits_and_hyphens(token: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]{39}", token)
    assert Token(1, token).value == token
    assert len(token) - len(new_site_prefix()) == TOKEN_RANDOM >= 26


@given(tokens, tokens)
def test_no_token_stands_within_another(one: str, other: str) -> None:
    assume(one != other)
    assert one not in other


@given(drawn, tokens)
def test_a_site_prefix_stands_in_a_token_of_that_site_only_and_only_at_its_beginning(
    prefix: str, token: str
) -> None:
    assert [at for at in range(len(token)) if token.startswith(prefix, at)] == (
        [0] if token[:13] == prefix else []
    )


@given(st.lists(tokens, min_size=2, max_size=4), st.text("-abd.", max_size=3))
def test_tokens_side_by_side_make_no_third_one(found: list[str], between: str) -> None:
    text = between.join(found)
    assert {m.group(1) for m in re.finditer(f"(?=({TOKEN.pattern}))", text)} == set(found)


@given(names, tokens | drawn, names)
def test_no_username_and_no_realm_holds_a_token_or_a_site_prefix(
    before: str, part: str, after: str
) -> None:
    text = before + part + after
    assert not accepted(validators.sip_username, text)
    assert not accepted(validators.no_token, text)


@given(st.from_regex(r"\A[a-z0-9_.-]{3,40}\Z"), tokens)
def test_an_accepted_username_holds_no_token(name: str, token: str) -> None:
    assume(accepted(validators.sip_username, name))
    assert token not in name
    assert not TOKEN.search(name)


@given(st.text(max_size=30), tokens, st.text(max_size=30))
def test_a_redacted_text_holds_no_token(before: str, token: str, after: str) -> None:
    shown = redacted(before + token + after)
    assert token not in shown
    assert token[:17] in shown
