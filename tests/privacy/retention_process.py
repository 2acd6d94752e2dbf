"""A process that does the night's work, and kills itself inside of its second batch.

    python -m tests.privacy.retention_process <databases as JSON> <folder> <moment>

SIGKILL: nothing is cleaned up, no transaction is ended.
"""

import json
import os
import signal
import sys
from datetime import datetime

ROWS_AT_A_TIME = 10


def main(databases, folder, moment):
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings_test"
    os.environ["JAWORT_VAR"] = folder
    import django
    from django.conf import settings

    for alias, values in json.loads(databases).items():
        settings.DATABASES[alias].update(values)
    django.setup()

    from privacy.retention import night, registry

    registry._expiries = {}
    registry.autodiscover_modules = lambda name: None
    register()
    real, calls = night._functions, []

    def functions(data_class):
        calls.append(data_class)
        return [lambda now: dying(now)] if len(calls) == 2 else real(data_class)

    def dying(now):
        real("security_log")[0](now)
        os.kill(os.getpid(), signal.SIGKILL)

    night._functions = functions
    night.execute(datetime.fromisoformat(moment))


def register():
    """Ten rows of the admin's log at a time, counted by the stock that the house registers."""
    from django.contrib.admin.models import LogEntry

    from privacy.retention import expiry, registry  # noqa: F401
    from privacy.retention.rules import starts_before

    @registry.expires("security_log")
    def forget(now):
        old = LogEntry.objects.filter(action_time__lt=starts_before("security_log", now))
        some = list(old.order_by("pk").values_list("pk", flat=True)[:ROWS_AT_A_TIME])
        return LogEntry.objects.filter(pk__in=some).delete()[0]


if __name__ == "__main__":
    main(*sys.argv[1:])
