"""Filters and orders by allow-list. An unknown name is refused: it would answer too much."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.request import Request
from rest_framework.views import APIView


class NodeFilter(django_filters.FilterSet):
    """``?node=<slug>``, which every resource on a node has."""

    node = django_filters.CharFilter(field_name="node__slug", help_text="The node's slug.")


class StrictOrdering(OrderingFilter):
    """``?ordering=name`` or ``-name``, of the fields that the view lists."""

    def remove_invalid_fields(
        self, queryset: QuerySet[Any], fields: Any, view: APIView, request: Request
    ) -> Any:
        """Refuse what the view doesn't list; raises ValidationError."""
        names = list(getattr(view, "ordering_fields", ()))
        for field in fields:
            if field.removeprefix("-") not in names:
                text = f"is not an order here; write one of: {', '.join(names) or 'none'}"
                raise ValidationError({"ordering": [ErrorDetail(text, code="invalid_choice")]})
        return fields


def refuse_unknown_parameters(request: Request, view: APIView, *, paged: bool = True) -> None:
    """Refuse a query parameter that neither a filter, the order nor the pages know."""
    filterset = getattr(view, "filterset_class", None)
    known = {"page", "page_size", "ordering"} if paged else set()
    known |= _parameters(filterset) if filterset else set()
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        text = f"is not a parameter here; write one of: {', '.join(sorted(known)) or 'none'}"
        raise ValidationError(
            {name[:80]: [ErrorDetail(text, code="unknown_parameter")] for name in unknown}
        )


def _parameters(filterset: type[django_filters.FilterSet]) -> set[str]:
    """The names as they stand in an address: a range has two."""
    names: set[str] = set()
    for name, field in filterset().form.fields.items():
        suffixes = getattr(field.widget, "suffixes", None)
        names |= {f"{name}_{suffix}" for suffix in suffixes} if suffixes else {name}
    return names
