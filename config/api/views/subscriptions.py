"""Subscriptions: to read, with masked addresses. They change by their holders' own words only."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.mixins import RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.filters import Allowed
from config.api.serializers import SubscriptionSerializer
from config.api.views.base import TokenViewSet
from subscriptions.desk_views.people import masked
from subscriptions.models import Subscription
from subscriptions.queries import in_use


class SubscriptionViewSet(RetrieveModelMixin, TokenViewSet[Subscription]):
    """Who is subscribed to what, by random ids; no address, no name, no telephone number."""

    queryset = Subscription.objects.select_related("address").prefetch_related("topics")
    serializer_class = SubscriptionSerializer
    filter_backends = (Allowed,)
    filters: ClassVar[dict[str, str]] = {
        "newsletter": "newsletter",
        "channel": "channel",
        "status": "status",
        "language": "language",
        "topic": "topics__slug",
    }
    rights: ClassVar[dict[str, str]] = {
        "list": "subscription.read",
        "retrieve": "subscription.read",
    }

    def get_queryset(self) -> QuerySet[Subscription]:
        """Without people whose processing is restricted: they are stored and nothing else."""
        return in_use(super().get_queryset(), "subscriber")

    @extend_schema(responses=SubscriptionSerializer(many=True))
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        context = {**self.get_serializer_context(), "masked": _masked(page)}
        return self.get_paginated_response(
            SubscriptionSerializer(page, many=True, context=context).data
        )

    @extend_schema(responses=SubscriptionSerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        found = self.get_object()
        context = {**self.get_serializer_context(), "masked": _masked([found])}
        return Response(SubscriptionSerializer(found, context=context).data)


def _masked(page: Any) -> dict[Any, str]:
    return masked(row.address for row in page)
