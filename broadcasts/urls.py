"""The editor's desk, under /desk/."""

from django.urls import path

from broadcasts.views import compose, desk, doubts, outcome, rules, sending

urlpatterns = [
    path("desk/", desk.index, name="desk"),
    path("desk/new/", compose.new, name="broadcast_new"),
    path("desk/preview/<str:name>/", compose.kept_document, name="broadcast_kept_document"),
    path("desk/newsletters/<uuid:pk>/preview/", compose.live_preview, name="broadcast_preview"),
    path("desk/newsletters/<uuid:pk>/reach/", compose.live_reach, name="broadcast_reach"),
    path("desk/pictures/<uuid:pk>/", outcome.picture, name="broadcast_picture"),
    path("desk/broadcasts/<uuid:pk>/", desk.show, name="broadcast"),
    path("desk/broadcasts/<uuid:pk>/edit/", compose.edit, name="broadcast_edit"),
    path(
        "desk/broadcasts/<uuid:pk>/document/<uuid:channel>/",
        compose.document,
        name="broadcast_document",
    ),
    path("desk/broadcasts/<uuid:pk>/duplicate/", desk.duplicate, name="broadcast_duplicate"),
    path("desk/broadcasts/<uuid:pk>/delete/", desk.delete, name="broadcast_delete"),
    path("desk/broadcasts/<uuid:pk>/test/", sending.test, name="broadcast_test"),
    path(
        "desk/broadcasts/<uuid:pk>/test/forget/",
        sending.forget_test,
        name="broadcast_forget_test",
    ),
    path("desk/broadcasts/<uuid:pk>/send/", sending.send, name="broadcast_send"),
    path("desk/broadcasts/<uuid:pk>/schedule/", sending.schedule, name="broadcast_schedule"),
    path("desk/broadcasts/<uuid:pk>/unschedule/", sending.unschedule, name="broadcast_unschedule"),
    path("desk/broadcasts/<uuid:pk>/pause/", sending.pause, name="broadcast_pause"),
    path("desk/broadcasts/<uuid:pk>/resume/", sending.resume, name="broadcast_resume"),
    path("desk/broadcasts/<uuid:pk>/trial/", sending.end_trial, name="broadcast_end_trial"),
    path("desk/broadcasts/<uuid:pk>/cancel/", sending.cancel, name="broadcast_cancel"),
    path("desk/broadcasts/<uuid:pk>/retry/", sending.retry, name="broadcast_retry"),
    path("desk/broadcasts/<uuid:pk>/progress/", outcome.show_progress, name="broadcast_progress"),
    path("desk/broadcasts/<uuid:pk>/results.csv", outcome.results_csv, name="broadcast_results"),
    path("desk/broadcasts/<uuid:pk>/doubts/", doubts.doubts, name="broadcast_doubts"),
    path("desk/newsletters/<uuid:pk>/sending/", rules.rules, name="newsletter_rules"),
    path("desk/channels/<uuid:pk>/doubts/", rules.doubt_policy, name="channel_doubts"),
]
