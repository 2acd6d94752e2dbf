"""What all views of the API have in common."""

from typing import ClassVar, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.viewsets import GenericViewSet

from config.api.access import TokenMay, actor_of, right_of
from config.api.authentication import TokenAuthentication
from config.api.pagination import NewestFirst
from privacy.access import visible_to

M = TypeVar("M", bound=Model)


class TokenViewSet(GenericViewSet[M]):
    """For tokens only; each DRF action needs the right that `rights` names for it."""

    authentication_classes = (TokenAuthentication,)
    permission_classes = (TokenMay,)
    pagination_class = NewestFirst
    lookup_value_regex = "[0-9a-f-]{36}"
    rights: ClassVar[dict[str, str]] = {}
    # What a list may be filtered by: the name in the address -> where it is looked up.
    filters: ClassVar[dict[str, str]] = {}

    def get_queryset(self) -> QuerySet[M]:
        rows: QuerySet[M] = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        return visible_to(actor_of(self.request), rows, right_of(self))
