"""The Celery app. Its messages carry ids; what they mean stands in PostgreSQL."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
TRANSPORT_ALIASES["jawort-files"] = "config.broker:Transport"

app = Celery("jawort", amqp="config.brokers:PatientAMQP", task_cls="config.ticks:Tick")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
