"""Settings, URLs, Celery and inbound routing: knows everybody, is known by nobody."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
