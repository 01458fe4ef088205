"""What every resource's serializer shares: strict names, the model's own checks, whole writes."""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse
from rest_framework.validators import UniqueValidator

from ddiweb.api import fields
from ddiweb.api.errors import from_django
from ddiweb.deploy.models import Deployment, Node

Attrs = dict[str, Any]


def shown(name: object) -> str:
    """A name that a stranger wrote, short and without what no answer could carry."""
    return str(name)[:80].encode("utf-8", "replace").decode()


class Strict(serializers.Serializer[Any]):
    """Refuse names that are unknown or can't be set: a typo must not be silently ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """Check the names first, then the values; raises ValidationError with each bad name."""
        if isinstance(data, Mapping):
            faults = {shown(name): fault for name in data if (fault := self._fault(name))}
            if faults:
                raise serializers.ValidationError(faults)
        return super().to_internal_value(data)

    def _fault(self, name: str) -> list[serializers.ErrorDetail]:
        field = self.fields.get(name)
        if field is None:
            known = ", ".join(key for key, one in self.fields.items() if not one.read_only)
            text = f"is not a field here; leave it out, or write one of: {known or 'none'}"
            return [serializers.ErrorDetail(text, code="unknown_field")]
        if field.read_only:
            text = "can't be set; leave it out"
            return [serializers.ErrorDetail(text, code="read_only")]
        return []


class Item(Strict):
    """One entry of a nested list. It is always whole, also within a PATCH: lists are replaced."""

    def to_internal_value(self, data: Any) -> Any:
        """Fill in the defaults that DRF leaves out of a PATCH; raises ValidationError."""
        found: Attrs = super().to_internal_value(data)
        missing: dict[str, list[serializers.ErrorDetail]] = {}
        for name, field in self.fields.items():
            if name in found or field.read_only:
                continue
            if field.required:
                text = str(field.error_messages["required"])
                missing[name] = [serializers.ErrorDetail(text, code="required")]
            else:
                found[name] = field.default() if callable(field.default) else field.default
        if missing:
            raise serializers.ValidationError(missing)
        return found


class DeploymentLink(serializers.ModelSerializer[Deployment]):
    """The deployment that brings a write into force: follow its ``url`` until it has ended."""

    url = serializers.SerializerMethodField()

    class Meta:
        model = Deployment
        fields = ("id", "state", "url")
        read_only_fields = fields

    @extend_schema_field({"type": "string", "format": "uri-reference"})
    def get_url(self, row: Deployment) -> str:
        """Where to read it."""
        return reverse("api:deployments-detail", args=[row.pk])


class Deployed(serializers.Serializer[Any]):
    """The answer to a write that has no other."""

    deployment = DeploymentLink(read_only=True, allow_null=True)


class Nothing(Strict):
    """The body of an action that needs none."""


class ResourceSerializer(Strict, serializers.ModelSerializer[Any]):
    """A model's resource.

    Whatever a model, its constraints or the rules between objects refuse becomes an error with the
    field's name here, before anything is written. Call ``is_valid`` and ``save`` within one
    transaction: ``validate`` locks the node, so that two editors can't both be right.
    """

    #: Fields that are rows of their own; ``store_nested`` replaces them, only if they were named.
    nested: ClassVar[tuple[str, ...]] = ()
    #: Fields that are set at creation and never again.
    fixed: ClassVar[tuple[str, ...]] = ("node",)

    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping | {
        models.CharField: fields.Text,
        models.TextField: fields.Text,
        models.GenericIPAddressField: fields.Address,
    }
    serializer_choice_field = fields.Choice

    def get_unique_together_validators(self) -> list[Any]:
        """Leave them to the model: DRF's would demand fields that a PATCH doesn't name."""
        return []

    def build_standard_field(self, field_name: str, model_field: Any) -> tuple[type, Attrs]:
        """Leave uniqueness to the model too."""
        kind, kwargs = super().build_standard_field(field_name, model_field)
        if "validators" in kwargs:
            kwargs["validators"] = [
                one for one in kwargs["validators"] if not isinstance(one, UniqueValidator)
            ]
        return kind, kwargs

    def node_id(self, candidate: Any) -> int | None:
        """The node that ``candidate`` is on, or None if it is one itself and new."""
        found: int | None = candidate.node_id
        return found

    def check_rules(self, candidate: Any, attrs: Attrs) -> None:
        """Check the rules between objects; raises ValidationError."""

    def store_nested(self, instance: Any, named: Attrs) -> None:
        """Replace the nested rows that the request named."""

    def validate(self, attrs: Attrs) -> Attrs:
        """Check the row as it would be saved; raises ValidationError."""
        self._refuse_moves(attrs)
        candidate = copy.copy(self.instance) if self.instance else self._model()
        plain = self._plain(attrs)
        for name, value in plain.items():
            setattr(candidate, name, value)
        node_id = self.node_id(candidate)
        if node_id is not None:
            Node.objects.select_for_update().get(pk=node_id)
        if self.instance:
            self.instance.refresh_from_db()
            candidate = copy.copy(self.instance)
            for name, value in plain.items():
                setattr(candidate, name, value)
        try:
            candidate.full_clean()
        except DjangoValidationError as error:
            raise from_django(error) from None
        self.check_rules(candidate, attrs)
        return attrs

    @property
    def _model(self) -> type[models.Model]:
        found: type[models.Model] = self.Meta.model
        return found

    def _plain(self, attrs: Attrs) -> Attrs:
        return {name: value for name, value in attrs.items() if name not in self.nested}

    def _refuse_moves(self, attrs: Attrs) -> None:
        if self.instance is None:
            return
        for name in self.fixed:
            if name in attrs and attrs[name] != getattr(self.instance, name):
                text = "can't be changed; add a new one and delete this one"
                raise serializers.ValidationError(
                    {name: [serializers.ErrorDetail(text, code="immutable")]}
                )

    def create(self, validated_data: Attrs) -> Any:
        """Save a new row and its nested rows."""
        instance = self._model(**self._plain(validated_data))
        instance.save(force_insert=True)
        self._store(instance, validated_data)
        return instance

    def update(self, instance: Any, validated_data: Attrs) -> Any:
        """Save the named fields alone: the pipeline writes others of the same row."""
        plain = self._plain(validated_data)
        for name, value in plain.items():
            setattr(instance, name, value)
        if plain:
            instance.save(update_fields=list(plain))
        self._store(instance, validated_data)
        return instance

    def _store(self, instance: Any, attrs: Attrs) -> None:
        named = {name: attrs[name] for name in self.nested if name in attrs}
        if named:
            self.store_nested(instance, named)
