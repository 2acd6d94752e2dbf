from celery import shared_task
from django.core.management import call_command
from django.db import connection
from django.utils.timezone import now


@shared_task
def tidy() -> None:
    """Remove sessions and cache entries whose time is over. May run twice: they are gone then."""
    call_command("clearsessions", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM cache WHERE expires < %s", [now()])
