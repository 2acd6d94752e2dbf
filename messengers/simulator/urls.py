"""Addresses below /simulator/: the provider's API and the phones. The demo alone answers there."""

from django.urls import path

from messengers.mailbox import views as mailbox
from messengers.simulator import api, views

urlpatterns = [
    path("", views.phones, name="simulator"),
    path("api/messages", api.send, name="simulator-api-send"),
    path("api/messages/bulk", api.send_bulk, name="simulator-api-bulk"),
    path("api/media", api.upload, name="simulator-api-media"),
    path("media/<slug:media_id>", views.picture, name="simulator-picture"),
    path("phones/<slug:phone_id>/", views.phone, name="simulator-phone"),
    path("phones/<slug:phone_id>/chat", views.chat, name="simulator-chat"),
    path("phones/<slug:phone_id>/write", views.write, name="simulator-write"),
    path("phones/<slug:phone_id>/press", views.press, name="simulator-press"),
    path("phones/<slug:phone_id>/block", views.block, name="simulator-block"),
    path("mail/", mailbox.mails, name="mailbox"),
    path("mail/<slug:mail_id>/", mailbox.mail, name="mailbox-mail"),
    path("mail/<slug:mail_id>/html", mailbox.html_part, name="mailbox-html"),
    path("mail/<slug:mail_id>/source", mailbox.source, name="mailbox-source"),
    path("mail/<slug:mail_id>/reply", mailbox.reply, name="mailbox-reply"),
]
