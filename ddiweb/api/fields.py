"""Fields that say what is wrong and what to do, and never guess."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.fields import get_error_detail as details_of

from ddiweb import validators
from ddiweb.redact import redacted


class _OneLine(serializers.CharField):
    """Refuse a control character instead of trimming it away: it was no accident."""

    def run_validation(self, data: Any = empty) -> Any:
        """Look at the characters before DRF trims them; raises ValidationError."""
        if isinstance(data, str):
            try:
                validators.plain_text(data)
            except DjangoValidationError as error:
                raise serializers.ValidationError(details_of(error)) from None
        elif data is not empty and data is not None:
            raise serializers.ValidationError("is not text; write it in quotes", code="not_text")
        return super().run_validation(data)


class Text(_OneLine):
    """One line of text."""


class Address(_OneLine, serializers.IPAddressField):
    """An IP address, of one family if the model says so."""

    def run_validators(self, value: Any) -> None:
        """Check as usual; the message says how such an address looks."""
        try:
            super().run_validators(value)
        except serializers.ValidationError:
            like = "2001:db8::10" if self.protocol == "ipv6" else "203.0.113.10"
            raise serializers.ValidationError(
                f"is not such an address; write one like {like}", code="invalid"
            ) from None


class Secret(Text):
    """Text that goes in and never comes out, not even in the message that refuses it."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("write_only", True)
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)

    def run_validators(self, value: Any) -> None:
        """Check as usual; the message speaks of the value without repeating it."""
        try:
            super().run_validators(value)
        except serializers.ValidationError as error:
            detail: Any = error.detail
            raise serializers.ValidationError(
                [self._silent(one, str(value)) for one in detail]
            ) from None

    @staticmethod
    def _silent(detail: serializers.ErrorDetail, value: str) -> serializers.ErrorDetail:
        text = str(detail).replace(repr(value), "this value")
        return serializers.ErrorDetail(
            "this value can't be used" if value in text else text, code=detail.code
        )


class Cidr(Text):
    """A network of either family, stored in its canonical spelling."""

    def to_internal_value(self, data: Any) -> str:
        """Return the canonical CIDR; raises ValidationError."""
        try:
            return validators.canonical_network(super().to_internal_value(data))
        except DjangoValidationError as error:
            raise serializers.ValidationError(details_of(error)) from None


class Reference(serializers.SlugRelatedField[Any]):
    """Another object by its name."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the object; raises ValidationError. No odd character reaches the database."""
        name = Text(max_length=254).run_validation(data)
        try:
            return super().to_internal_value(name)
        except serializers.ValidationError:
            raise serializers.ValidationError(
                f"{name!r} is not there; name one that is", code="does_not_exist"
            ) from None


class Choice(serializers.ChoiceField):
    """One of a few words; a refusal names them all."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the choice; raises ValidationError."""
        if not isinstance(data, str) or data not in self.choices:
            names = ", ".join(str(name) for name in self.choices)
            raise serializers.ValidationError(
                f"is not a choice here; choose from {names}", code="invalid_choice"
            )
        return data


class Redacted(serializers.CharField):
    """Text that others wrote; a token in it is cut short."""

    def to_representation(self, value: Any) -> str:
        """Return the text without secrets."""
        return redacted(str(value))


def rule(check: Callable[[], object], field: str) -> None:
    """Run a rule of the domain; its refusal is about ``field`` (a dotted path)."""
    try:
        check()
    except DjangoValidationError as error:
        detail: Any = details_of(error)
        for part in reversed(field.split(".")):
            detail = {part: detail}
        raise serializers.ValidationError(detail) from None
