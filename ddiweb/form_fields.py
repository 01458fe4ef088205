"""Form fields and widgets that every form of the panel shares."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.core.validators import ProhibitNullCharactersValidator
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from ddiweb.fields import NetworkField
from ddiweb.validators import plain_text


class OneLineField(forms.CharField):
    """Text on one line. A control character is refused even where stripping would hide it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # ``plain_text`` refuses NUL too, and says what to do about it.
        self.validators = [
            check
            for check in self.validators
            if not isinstance(check, ProhibitNullCharactersValidator)
        ]

    def to_python(self, value: Any) -> str:
        """Refuse control characters before the surrounding space is stripped."""
        if isinstance(value, str):
            plain_text(value)
        return str(super().to_python(value) or "")


class CidrField(OneLineField):
    """A network, in any spelling; the model's field makes it canonical."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """``203.0.113.7`` and ``203.0.113.7/32`` are the same network."""
        try:
            return bool(initial != NetworkField().to_python(data or ""))
        except forms.ValidationError:
            return True


class SecretField(OneLineField):
    """A secret that goes in and never comes out: blank means “as it is”.

    The form's ``clean_<name>`` puts the stored value back (see ``SecretForm``).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        kwargs.setdefault("strip", False)
        kwargs.setdefault(
            "widget",
            forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        )
        super().__init__(*args, **kwargs)


class OwnTemplate(forms.Widget):
    """A widget whose template stands among the panel's own."""

    def _render(self, template_name: str, context: Any, renderer: Any = None) -> SafeString:
        return mark_safe(render_to_string(template_name, context))  # noqa: S308 - autoescaped


class OrderedChoices(OwnTemplate, forms.CheckboxSelectMultiple):
    """Boxes in an order that the person can change; the browser sends them in that order."""

    template_name = "widgets/ordered_choices.html"
    option_template_name = "widgets/ordered_choice.html"

    def optgroups(
        self, name: str, value: list[str], attrs: dict[str, Any] | None = None
    ) -> list[Any]:
        """The chosen ones first, in their order; then the rest."""
        every = list(self.choices)
        known = {str(key): (key, label) for key, label in every}
        chosen = [known[key] for key in value if key in known]
        self.choices = [*chosen, *(pair for pair in every if str(pair[0]) not in value)]
        try:
            return super().optgroups(name, value, attrs)
        finally:
            self.choices = every


class OrderedChoiceField(forms.MultipleChoiceField):
    """Several of ``choices``, each at most once, the first one preferred."""

    widget = OrderedChoices

    def clean(self, value: Any) -> list[str]:
        """Return the keys in the order in which they were sent."""
        return list(dict.fromkeys(super().clean(value)))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Another order is another value."""
        return [str(key) for key in initial or []] != [str(key) for key in data or []]


class BoxList(OwnTemplate, forms.CheckboxSelectMultiple):
    """A list of boxes that scrolls, with a filter when it is long."""

    template_name = "widgets/box_list.html"


class SecretForm(forms.ModelForm):
    """Keeps what is stored in the fields ``secrets`` when they are left blank."""

    secrets: Sequence[str] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.secrets:
            self.initial.pop(name, None)
            field = self.fields.get(name)
            if field is None:
                continue
            field.initial = None
            is_set = bool(self.instance.pk and getattr(self.instance, name))
            attrs = field.widget.attrs
            attrs["placeholder"] = "stored; leave blank to keep it" if is_set else ""

    def keep(self, name: str, value: str) -> str:
        """Return ``value``, or what is stored (or the model's default) if it is blank."""
        return value or str(getattr(self.instance, name))


def limit(field: forms.Field | None, queryset: Any) -> None:
    """Offer only ``queryset`` in a model choice field."""
    if isinstance(field, forms.ModelChoiceField):
        field.queryset = queryset


def without_extras(fields: Iterable[forms.Field]) -> None:
    """Take away the add, change, delete and view icons beside related fields."""
    for field in fields:
        for extra in ("add", "change", "delete", "view"):
            if hasattr(field.widget, f"can_{extra}_related"):
                setattr(field.widget, f"can_{extra}_related", False)
