"""Requests under Art. 15 to 21 GDPR: clocks and states, and entering one that came elsewhere."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.access import actor_of
from config.api.filters import Allowed
from config.api.serializers import RequestInput, RequestSerializer
from config.api.views.base import TokenViewSet
from privacy.models import Request as PrivacyRequest
from privacy.requests.actions import open_request


class RequestViewSet(ListModelMixin, RetrieveModelMixin, TokenViewSet[PrivacyRequest]):
    """For ticket systems: what is open, since when and until when. Never about whom."""

    queryset = PrivacyRequest.objects.all()
    serializer_class = RequestSerializer
    filter_backends = (Allowed,)
    filters: ClassVar[dict[str, str]] = {"kind": "kind", "status": "status", "number": "number"}
    rights: ClassVar[dict[str, str]] = {
        "list": "request.work",
        "retrieve": "request.work",
        "create": "request.work",
    }

    def get_queryset(self):  # type: ignore[no-untyped-def]
        """A right to requests concerns the whole house, so there is no newsletter to narrow by."""
        return PrivacyRequest.objects.all()

    @extend_schema(request=RequestInput, responses={201: RequestSerializer})
    def create(self, request: Request) -> Response:
        """Enter a request that came by post or e-mail; its identity is still to be proven."""
        given = RequestInput(data=request.data)
        given.is_valid(raise_exception=True)
        made = open_request(
            subject=None,
            kind=given.validated_data["kind"],
            origin=PrivacyRequest.Origin.STAFF,
            verified=False,
            received_at=given.validated_data.get("received_at") or timezone.now(),
            actor=actor_of(request),
        )
        return Response(RequestSerializer(made).data, status=status.HTTP_201_CREATED)
