"""Numbers as people type and paste them."""

import pytest
from django.core.exceptions import ValidationError

from peers.forms import PhoneNumberField
from peers.route_forms import NumberForm

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.mark.parametrize(
    "typed", ["+33142278186", "+33 1 42 27 81 86", "+33-1-42.27.81.86", "  +33 (1) 42278186 "]
)
def test_a_decorated_number_is_stored_whole(typed: str) -> None:
    assert PhoneNumberField().clean(typed) == "+33142278186"


def test_the_box_never_cuts_what_is_pasted() -> None:
    assert "maxlength" not in str(NumberForm()["e164"])


def test_a_national_zero_in_brackets_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValidationError, match="leave it out"):
        PhoneNumberField().clean("+44 (0)20 7946 0123")


def test_a_text_that_is_too_long_is_refused_and_not_cut() -> None:
    with pytest.raises(ValidationError):
        PhoneNumberField().clean("+44 " + "2 " * 40)
