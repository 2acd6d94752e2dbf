from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Jawort"

    def ready(self) -> None:
        from config.request_ids import follow_tasks

        follow_tasks()
