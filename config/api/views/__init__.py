"""One file for one kind of thing."""

from config.api.views.broadcasts import BroadcastViewSet
from config.api.views.newsletters import NewsletterViewSet, TopicViewSet
from config.api.views.requests import RequestViewSet
from config.api.views.subscriptions import SubscriptionViewSet

__all__ = [
    "BroadcastViewSet",
    "NewsletterViewSet",
    "RequestViewSet",
    "SubscriptionViewSet",
    "TopicViewSet",
]
