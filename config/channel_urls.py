from django.urls import path

from config import channel_views

urlpatterns = [
    path("", channel_views.channels, name="channels"),
    path("new/<slug:kind>/", channel_views.new_channel, name="channel_new"),
    path("<uuid:channel_id>/", channel_views.channel, name="channel"),
    path("<uuid:channel_id>/inbox/", channel_views.retry_inbox, name="channel_retry_inbox"),
    path("<uuid:channel_id>/contract/", channel_views.contract, name="channel_contract"),
    path("<uuid:channel_id>/switch/", channel_views.switch, name="channel_switch"),
]
