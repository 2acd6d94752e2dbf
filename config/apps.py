from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Jawort"

    def ready(self) -> None:
        from config import request_ids

        request_ids.follow()
