"""Broadcasts: written, started and steered as on the desk, by the same actions."""

from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from broadcasts import actions
from broadcasts.models import Broadcast
from broadcasts.queries import account, progress
from broadcasts.queries.progress import Progress, progress_in_sums
from config.api.access import actor_of
from config.api.filters import Allowed
from config.api.serializers import (
    AudienceSerializer,
    BroadcastChange,
    BroadcastInput,
    BroadcastSerializer,
    ProgressSerializer,
    ResultsSerializer,
    StartInput,
)
from config.api.views.base import TokenViewSet
from messengers import outbox
from messengers.models import MAX_BATCH
from privacy.access import Actor, visible_to
from subscriptions import audience
from subscriptions.errors import RuleError
from subscriptions.models import Newsletter

KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="Your own key for this start. The same key again starts nothing new.",
)


SEEN = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of an earlier answer: 304 while nothing has changed since.",
)


class BroadcastViewSet(ListModelMixin, RetrieveModelMixin, TokenViewSet[Broadcast]):
    """A message to many."""

    queryset = Broadcast.objects.select_related("content", "schedule")
    serializer_class = BroadcastSerializer
    filter_backends = (Allowed,)
    filters: ClassVar[dict[str, str]] = {"newsletter": "newsletter", "status": "status"}
    rights: ClassVar[dict[str, str]] = {
        "list": "broadcast.read",
        "retrieve": "broadcast.read",
        "results": "broadcast.read",
        "progress": "broadcast.read",
        "audience": "broadcast.read",
        "create": "broadcast.write",
        "partial_update": "broadcast.write",
        "start": "broadcast.send",
        "pause": "broadcast.send",
        "resume": "broadcast.send",
        "cancel": "broadcast.send",
    }

    @extend_schema(request=BroadcastInput, responses={201: BroadcastSerializer})
    def create(self, request: Request) -> Response:
        """Write a draft."""
        given = _valid(BroadcastInput(data=request.data))
        actor = actor_of(request)
        rows = visible_to(actor, Newsletter.objects.all(), "broadcast.write")
        newsletter = get_object_or_404(rows, pk=given.pop("newsletter"))
        made = _write(actions.create_broadcast, newsletter=newsletter, actor=actor, **given)
        return Response(BroadcastSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=BroadcastChange, responses=BroadcastSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a draft."""
        given = _valid(BroadcastChange(data=request.data, partial=True))
        row = _write(
            actions.edit_broadcast, broadcast=self.get_object(), actor=actor_of(request), **given
        )
        return Response(BroadcastSerializer(row).data)

    @extend_schema(request=StartInput, parameters=[KEY], responses=BroadcastSerializer)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: str) -> Response:
        """Send it now. Once started, its text and its recipients are frozen."""
        key = request.headers.get("Idempotency-Key", "").strip()
        if not 1 <= len(key) <= 64:
            raise ValidationError({"Idempotency-Key": ["Send a key of 1 to 64 characters."]})
        why = _valid(StartInput(data=request.data))["urgent_why"]
        row = _started(self.get_object(), actor_of(request), key, why)
        return Response(BroadcastSerializer(row).data)

    @extend_schema(request=None, responses=BroadcastSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Hold it: nothing more leaves but what is on its way already."""
        return self._steered(request, actions.pause)

    @extend_schema(request=None, responses=BroadcastSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Go on with whoever still waits."""
        return self._steered(request, actions.resume)

    @extend_schema(request=None, responses=BroadcastSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop it for good: whoever still waits gets nothing."""
        return self._steered(request, actions.cancel)

    @extend_schema(responses=ResultsSerializer)
    @action(detail=True, methods=["get"])
    def results(self, request: Request, pk: str) -> Response:
        """What became of the recipients, in counts."""
        return Response(ResultsSerializer(_results(self.get_object())).data)

    @extend_schema(parameters=[SEEN], responses={200: ProgressSerializer, 304: None})
    @action(detail=True, methods=["get"])
    def progress(self, request: Request, pk: str) -> Response:
        """How far it is. Cheap at any size: ask every few seconds, with `If-None-Match`, until
        `is_over`.
        """
        told = progress_in_sums(self.get_object())
        headers = {"ETag": f'"{told.version}"', "Cache-Control": "private, no-cache"}
        if request.headers.get("If-None-Match", "").removeprefix("W/") == headers["ETag"]:
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers=headers)
        return Response(ProgressSerializer(_progress(told)).data, headers=headers)

    @extend_schema(responses=AudienceSerializer)
    @action(detail=True, methods=["get"])
    def audience(self, request: Request, pk: str) -> Response:
        """How many it would reach if it started now."""
        broadcast = self.get_object()
        found = audience.count(broadcast.newsletter_id, broadcast.rule)
        by_channel = {str(channel): number for channel, number in found["by_channel"].items()}
        batches = sum(-(-number // MAX_BATCH) for number in by_channel.values())
        told = {"total": found["total"], "batches": batches, "by_channel": by_channel}
        return Response(AudienceSerializer(told).data)

    def _steered(self, request: Request, verb: Any) -> Response:
        row = verb(broadcast=self.get_object(), actor=actor_of(request))
        return Response(BroadcastSerializer(row).data)


@transaction.atomic
def _started(broadcast: Broadcast, actor: Actor, key: str, why: str) -> Broadcast:
    """Mark it urgent and start it, or neither: a refused start leaves the draft as it was.

    Held before it is looked at: of two calls at once with one key, the second sees it started.
    """
    row = Broadcast.objects.select_for_update(no_key=True).get(pk=broadcast.pk)
    if why and row.is_draft:
        actions.edit_broadcast(broadcast=row, actor=actor, is_urgent=True, urgent_why=why)
    return actions.start(row, actor=actor, idempotency_key=key)


def _valid(serializer: Any) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _write(verb: Any, **given: Any) -> Broadcast:
    """Call a writing action; an audience that is no rule is the caller's mistake."""
    try:
        row: Broadcast = verb(**given)
    except RuleError as error:
        raise ValidationError({"audience": [str(error)]}) from None
    return row


def _progress(told: Progress) -> dict[str, Any]:
    left = told.left
    return {
        "status": told.broadcast.status,
        "recipients": told.size,
        "done": told.done,
        "batches": told.batch_total,
        "batches_done": told.batches_done,
        "states": {str(state.status): state.count for state in told.states},
        "seconds_left": round(left.total_seconds()) if left is not None else None,
        "is_over": told.is_over,
        "ask_again_seconds": None if told.is_over else told.ask_seconds,
    }


def _results(broadcast: Broadcast) -> dict[str, Any]:
    told = progress(broadcast)
    summed = account(broadcast, told)
    causes: dict[str, dict[str, int]] = {}
    if broadcast.dispatch:
        for state, cause, number in outbox.causes(broadcast.dispatch):
            causes.setdefault(state, {})[cause] = number
    return {
        "recipients": told.size,
        "accepted": summed.accepted,
        "in_doubt": summed.in_doubt,
        "answer_lost": summed.answer_lost,
        "our_crash": summed.our_crash,
        "unaccounted": summed.unaccounted,
        "batches": told.batch_total,
        "states": {str(state.status): state.count for state in told.states},
        "causes": causes,
    }
