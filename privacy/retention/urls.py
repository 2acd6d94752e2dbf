"""The retention pages, below `privacy/retention/`."""

from django.urls import URLPattern, path

from privacy.views import retention

RETENTION: list[URLPattern] = [
    path("", retention.retention, name="retention"),
    path("rules/<slug:data_class>/", retention.rule, name="retention_rule"),
    path("versions/<uuid:pk>/", retention.version, name="retention_version"),
    path("plan/", retention.plan, name="retention_plan"),
    path("plan/progress/", retention.progress, name="retention_progress"),
    path("plan/pause/", retention.pause, name="retention_pause"),
    path("plan/resume/", retention.go_on, name="retention_resume"),
    path("plan/items/<uuid:pk>/", retention.item, name="retention_item"),
    path("holds/", retention.hold_list, name="holds"),
    path("holds/<uuid:pk>/", retention.hold, name="hold"),
    path("holds/<uuid:pk>/review/", retention.review_hold, name="review_hold"),
    path("holds/<uuid:pk>/end/", retention.end_hold, name="end_hold"),
]
