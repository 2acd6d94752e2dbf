"""Public pages. What stands behind a letter is a link that was sent to one person."""

from django.urls import include, path

from subscriptions.views import data, documents, links, newsletter

urlpatterns = [
    path("n/<slug:slug>/", newsletter.newsletter, name="newsletter"),
    path("n/<slug:slug>/from/<slug:code>/", newsletter.newsletter, name="newsletter_form"),
    path("n/<slug:slug>/asked/", newsletter.asked, name="newsletter_asked"),
    path("n/<slug:slug>/<uuid:channel>.svg", newsletter.qr, name="newsletter_qr"),
    path("c/<str:token>/", links.confirm, name="confirm"),
    path("p/<str:token>/", links.preferences, name="preferences"),
    path("u/<str:token>/", links.unsubscribe, name="unsubscribe"),
    path("notice/<str:notice_id>/", documents.notice, name="notice"),
    path("r/<str:token>/", documents.receipt, name="receipt"),
    path("r/<str:token>/signed/", documents.signed_receipt, name="signed_receipt"),
    path(".well-known/jwks.json", documents.keys, name="consent_keys"),
    path("data/", data.data_request, name="data_request"),
    path("data/asked/", data.asked, name="data_asked"),
    path("data/<slug:kind>/<str:token>/", data.data_confirm, name="data_confirm"),
    path("desk/", include("subscriptions.desk_urls")),
]
