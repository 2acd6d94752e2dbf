"""Which address leads where. Each app names its own pages; here they only get their place."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from config import health, metrics, views

APP_URLS = ("broadcasts.urls", "subscriptions.urls", "messengers.urls", "privacy.urls")

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.start, name="start"),
    path("staff/", include("config.staff_urls")),
    path("channels/", include("config.channel_urls")),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/v1/", include("config.api.urls")),
    *(path("", include(name)) for name in APP_URLS),
]
