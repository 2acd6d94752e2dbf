from django.urls import path

from config import staff_views

urlpatterns = [
    path("", staff_views.staff, name="staff"),
    path("new/", staff_views.invite, name="staff_new"),
    path("tokens/", staff_views.tokens, name="staff_tokens"),
    path("tokens/new/", staff_views.new_token, name="staff_token_new"),
    path("tokens/<uuid:token_id>/end/", staff_views.end_token, name="staff_token_end"),
    path("<uuid:user_id>/", staff_views.person, name="staff_person"),
    path("<uuid:user_id>/grant/", staff_views.grant, name="staff_grant"),
    path("<uuid:user_id>/revoke/<int:grant_id>/", staff_views.revoke, name="staff_revoke"),
    path("<uuid:user_id>/active/", staff_views.activate, name="staff_active"),
]
