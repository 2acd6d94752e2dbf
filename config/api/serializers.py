"""What the API's requests and answers look like. Serializers describe; actions write."""

from datetime import datetime
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework import serializers

from broadcasts.models import Broadcast
from privacy.models import Request as PrivacyRequest
from subscriptions.models import LANGUAGES, Newsletter, Subscription, Topic


class TopicSerializer(serializers.ModelSerializer[Topic]):
    class Meta:
        model = Topic
        fields: ClassVar = ["id", "slug", "name_de", "name_en"]


class ChannelSerializer(serializers.Serializer[Any]):
    """A messenger account, without its settings."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    name = serializers.CharField()


class NewsletterSerializer(serializers.ModelSerializer[Newsletter]):
    topics = TopicSerializer(many=True)
    channels = ChannelSerializer(many=True)

    class Meta:
        model = Newsletter
        fields: ClassVar = ["id", "slug", "name", "publisher", "time_zone", "topics", "channels"]


class SubscriptionSerializer(serializers.ModelSerializer[Subscription]):
    """A subscription with its address masked: enough to recognise, not enough to write to."""

    address = serializers.SerializerMethodField()
    topics: Any = serializers.SlugRelatedField(slug_field="slug", many=True, read_only=True)

    class Meta:
        model = Subscription
        fields: ClassVar = [
            "id",
            "newsletter",
            "channel",
            "address",
            "language",
            "topics",
            "status",
            "legal_basis",
            "source",
            "confirmed_at",
            "ended_at",
        ]

    def get_address(self, subscription: Subscription) -> str:
        masked: dict[Any, str] = self.context.get("masked", {})
        return masked.get(subscription.address_id, "")


class ButtonSerializer(serializers.Serializer[Any]):
    label = serializers.CharField(max_length=40)  # type: ignore[assignment]
    url = serializers.URLField(max_length=500)


class BroadcastSerializer(serializers.ModelSerializer[Broadcast]):
    """A broadcast as it stands; its numbers are under `results`."""

    language = serializers.CharField(source="content.language")
    markdown = serializers.CharField(source="content.markdown")
    buttons = ButtonSerializer(source="content.buttons", many=True)
    is_ai_text = serializers.BooleanField(source="content.is_ai_text")
    scheduled_for = serializers.DateTimeField(source="schedule.fire_at", default=None)

    class Meta:
        model = Broadcast
        fields: ClassVar = [
            "id",
            "newsletter",
            "title",
            "status",
            "status_why",
            "language",
            "markdown",
            "buttons",
            "is_ai_text",
            "audience",
            "is_urgent",
            "scheduled_for",
            "created_at",
            "started_at",
            "finished_at",
        ]


class BroadcastInput(serializers.Serializer[Any]):
    """A new draft, or the parts of one that change."""

    newsletter = serializers.UUIDField()
    title = serializers.CharField(max_length=120)
    markdown = serializers.CharField(max_length=20_000)
    language = serializers.ChoiceField(choices=LANGUAGES, default="de")
    buttons = ButtonSerializer(many=True, default=list)
    is_ai_text = serializers.BooleanField(
        default=False, help_text="Written by a machine and not reviewed: the message says so."
    )
    audience = serializers.DictField(
        default=dict,
        help_text="A rule: all, any, not, topic, language, channel, subscribed_before/after.",
    )

    def validate_buttons(self, value: list[dict[str, str]]) -> list[dict[str, str]]:
        if len(value) > 3:
            raise serializers.ValidationError("At most three buttons.")
        return [dict(button) for button in value]


class BroadcastChange(BroadcastInput):
    """The parts of a draft that change; its newsletter does not."""

    newsletter = None  # type: ignore[assignment]


class StartInput(serializers.Serializer[Any]):
    """A start is asked for once: the same key again starts nothing new."""

    urgent_why = serializers.CharField(
        max_length=200, default="", allow_blank=True, help_text="Reason to send in quiet hours."
    )


class ResultsSerializer(serializers.Serializer[Any]):
    """What became of a broadcast's recipients; the states always sum to `recipients`."""

    recipients = serializers.IntegerField()
    accepted = serializers.IntegerField(help_text="Taken by the messenger, or more than that.")
    in_doubt = serializers.IntegerField(help_text="Nobody can know whether they were taken.")
    answer_lost = serializers.IntegerField(help_text="Of these: by the messenger or the line.")
    our_crash = serializers.IntegerField(help_text="Of these: by us.")
    unaccounted = serializers.IntegerField(help_text="Always 0.")
    batches = serializers.IntegerField()
    states = serializers.DictField(child=serializers.IntegerField())
    causes = serializers.DictField(child=serializers.DictField(child=serializers.IntegerField()))


class ProgressSerializer(serializers.Serializer[Any]):
    """How far a broadcast is; the states always sum to `recipients`."""

    status = serializers.CharField()
    recipients = serializers.IntegerField()
    done = serializers.IntegerField(help_text="Decided: sent, refused, or not sent on purpose.")
    batches = serializers.IntegerField()
    batches_done = serializers.IntegerField()
    states = serializers.DictField(child=serializers.IntegerField())
    seconds_left = serializers.IntegerField(allow_null=True, help_text="At the pace so far.")
    is_over = serializers.BooleanField(help_text="Only receipts still come in: ask no more.")
    ask_again_seconds = serializers.IntegerField(allow_null=True)


class AudienceSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    batches = serializers.IntegerField()
    by_channel = serializers.DictField(child=serializers.IntegerField())


class RequestInput(serializers.Serializer[Any]):
    """A request that came by another way; whose it is, the data-protection officer finds out."""

    kind = serializers.ChoiceField(choices=PrivacyRequest.Kind.choices)
    received_at = serializers.DateTimeField(required=False)

    def validate_received_at(self, value: datetime) -> datetime:
        if value > timezone.now():
            raise serializers.ValidationError("This is in the future: when did it come in?")
        return value


class RequestSerializer(serializers.ModelSerializer[PrivacyRequest]):
    """A request under Art. 15 to 21 GDPR: its clock and state, never the person."""

    class Meta:
        model = PrivacyRequest
        fields: ClassVar = [
            "id",
            "number",
            "kind",
            "status",
            "outcome",
            "origin",
            "is_verified",
            "received_at",
            "due_at",
            "closed_at",
        ]
