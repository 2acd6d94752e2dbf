from django.urls import path
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.routers import SimpleRouter

from config.api import views
from config.api.authentication import TokenAuthentication

router = SimpleRouter()
router.register("newsletters", views.NewsletterViewSet)
router.register("topics", views.TopicViewSet)
router.register("subscriptions", views.SubscriptionViewSet)
router.register("broadcasts", views.BroadcastViewSet)
router.register("requests", views.RequestViewSet)

urlpatterns = [
    # For whoever has a token: what can be called here is nobody else's business.
    path(
        "schema/",
        SpectacularAPIView.as_view(
            authentication_classes=[TokenAuthentication], permission_classes=[IsAuthenticated]
        ),
        name="schema",
    ),
    *router.urls,
]
