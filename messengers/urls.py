"""Where providers call us, and the demo's own provider with its phone and mailbox."""

from django.urls import URLPattern, URLResolver, include, path

from messengers import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("hooks/<uuid:channel_id>/", views.hook, name="hook"),
    path("simulator/", include("messengers.simulator.urls")),
]
