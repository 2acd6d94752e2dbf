"""A process that works on an erasure, and may be told to die at a certain place.

    python -m tests.privacy.erasure_process <request> <cut point> <databases as JSON> <folder>

It kills itself with SIGKILL: nothing is cleaned up, no transaction is ended.
"""

import json
import os
import signal
import sys


def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def main(pk, cut, databases, folder):
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings_test"
    os.environ["JAWORT_VAR"] = folder
    import django
    from django.conf import settings

    for alias, values in json.loads(databases).items():
        settings.DATABASES[alias].update(values)
    settings.ANSWER_SUBJECT = "tests.privacy.fake_people.answer"
    settings.JAWORT_EXPORT_DIR = f"{folder}/exports"
    django.setup()

    from privacy import inventory
    from privacy.models import Request
    from privacy.requests.erasure import machine
    from tests.privacy import fake_people

    inventory._pages = lambda: {"people": fake_people}
    arm(cut)
    print(machine.complete_erasure(request=Request.objects.get(pk=pk)).value, flush=True)


def arm(cut):
    """Put the death into place: before or after a call, inside of its transaction or behind it."""
    from privacy.requests.erasure import machine, needles, steps

    if cut == "before certificate":
        machine.issue = die
    elif cut == "before delete":
        real = machine._do
        machine._do = lambda step, request: die() if step.name == "delete" else real(step, request)
    elif cut == "rows deleted, not committed":
        steps.suppression.suppress = die
    elif cut == "key destroyed, step not noted":
        real_shred = steps.shred
        steps.shred = lambda *args: (real_shred(*args), die())
    elif cut == "scan done, its key not destroyed":
        needles.shred_all = die
    else:
        raise SystemExit(f"{cut} is no cut point.")


if __name__ == "__main__":
    main(*sys.argv[1:])
