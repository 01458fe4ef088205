"""Vendors' published values over the API, with which a new trunk may begin."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ddiweb.api.filters import refuse_unknown_parameters
from ddiweb.api.permissions import Needs
from ddiweb.api.views import Base
from peers.presets import preset, presets


class TrunkPresetSerializer(serializers.Serializer[Any]):
    """What a vendor published, where and when it was read."""

    key = serializers.CharField(read_only=True, help_text="For `preset` of a new trunk.")
    name = serializers.CharField(read_only=True)
    source = serializers.CharField(  # type: ignore[assignment]  # a field of ours, named so
        read_only=True, help_text="Where the values were read."
    )
    verified_on = serializers.DateField(read_only=True, help_text="When; vendors change theirs.")
    note = serializers.CharField(read_only=True, help_text="What is left to do by hand.")
    trunk = serializers.DictField(read_only=True, help_text="Fields of the trunk.")
    servers = serializers.ListField(child=serializers.DictField(), read_only=True)
    networks = serializers.ListField(child=serializers.CharField(), read_only=True)


class TrunkPresetsView(Base):
    """The presets; each is data of this version, and nothing is in force by it."""

    permission_classes = (Needs,)
    required_permissions: ClassVar[tuple[str, ...]] = ("peers.view_trunk",)
    pagination_class = None

    @extend_schema(operation_id="trunk_presets_list", responses=TrunkPresetSerializer(many=True))
    def get(self, request: Request) -> Response:
        """All of them, by name."""
        refuse_unknown_parameters(request, self, paged=False)
        return Response(TrunkPresetSerializer(presets().values(), many=True).data)


def begin(data: Any) -> Any:
    """Return a new trunk's ``data`` with its preset's values where it names none itself.

    Raises ValidationError for a preset that is not there. All of it is checked as if it had been
    written out.
    """
    if not isinstance(data, Mapping) or "preset" not in data:
        return data
    named = {name: value for name, value in data.items() if name != "preset"}
    key = data["preset"]
    chosen = preset(key) if isinstance(key, str) else None
    if chosen is None:
        text = f"is not there; choose from {', '.join(presets())}"
        raise serializers.ValidationError(
            {"preset": [serializers.ErrorDetail(text, code="does_not_exist")]}
        )
    begun = {
        **chosen.trunk,
        "servers": chosen.servers,
        "networks": [{"cidr": cidr} for cidr in chosen.networks],
    }
    return begun | named
