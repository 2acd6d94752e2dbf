"""Filters of lists: fields from an allowlist, values checked for their kind, nothing else."""

from typing import Any

from django.core.exceptions import ValidationError as DjangoInvalid
from django.db.models import Model, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.views import APIView

PAGING = {"cursor", "page_size", "format"}


class Allowed(BaseFilterBackend):
    """`?newsletter=…&status=…` as the view's `filters` name them; anything else is a clear 400."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        allowed: dict[str, str] = getattr(view, "filters", {})
        asked = {name: value for name, value in request.query_params.items() if name not in PAGING}
        if unknown := sorted(asked.keys() - allowed.keys()):
            known = ", ".join(sorted(allowed)) or "none"
            raise ValidationError({unknown[0]: [f"No such filter. There are: {known}."]})
        for name, value in asked.items():
            queryset = _filtered(queryset, name, allowed[name], str(value))
        return queryset

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        return [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
            for name in sorted(getattr(view, "filters", {}))
        ]


def _filtered(queryset: QuerySet[Any], name: str, path: str, value: str) -> QuerySet[Any]:
    model: type[Model] = queryset.model
    if "\x00" in value:
        raise ValidationError({name: ["A zero byte is no value."]})
    try:
        return queryset.filter(**{path: value})
    except (ValueError, DjangoInvalid):
        raise ValidationError(
            {name: [f"Not a value of {model._meta.verbose_name} {name}."]}
        ) from None
