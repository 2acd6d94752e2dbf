"""Newsletters and their topics: to read."""

from typing import ClassVar

from rest_framework.mixins import ListModelMixin, RetrieveModelMixin

from config.api.filters import Allowed
from config.api.serializers import NewsletterSerializer, TopicSerializer
from config.api.views.base import TokenViewSet
from subscriptions.models import Newsletter, Topic

READ = {"list": "newsletter.read", "retrieve": "newsletter.read"}


class NewsletterViewSet(ListModelMixin, RetrieveModelMixin, TokenViewSet[Newsletter]):
    """The newsletters that the token may see, with topics and channels."""

    queryset = Newsletter.objects.prefetch_related("topics", "channels")
    serializer_class = NewsletterSerializer
    filter_backends = (Allowed,)
    filters: ClassVar[dict[str, str]] = {"slug": "slug"}
    rights = READ


class TopicViewSet(ListModelMixin, RetrieveModelMixin, TokenViewSet[Topic]):
    """The topics that readers choose from."""

    queryset = Topic.objects.all()
    serializer_class = TopicSerializer
    filter_backends = (Allowed,)
    filters: ClassVar[dict[str, str]] = {"newsletter": "newsletter", "slug": "slug"}
    rights = READ
