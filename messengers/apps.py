"""The messengers: how to talk, and nothing about what to say."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MessengersConfig(AppConfig):
    name = "messengers"
    verbose_name = _("Messengers")
    default_auto_field = "django.db.models.BigAutoField"
