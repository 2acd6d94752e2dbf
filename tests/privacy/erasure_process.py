"""A process that works on erasures and dies where it is told to.

    python -m tests.privacy.erasure_process <databases as JSON> <folder>

It reads lines `["<request>", "<mark>", <time>, <behind>]` and forks for each: the child works on
that erasure until it is about to send a statement with that mark for the so-manieth time, and so
many statements behind it kills itself with SIGKILL. Nothing is cleaned up, no transaction is ended.
The answer is one line of JSON: whether the child was killed, and the statements that it had sent
("keystore DELETE FROM", "default UPDATE privacy_requeststep done_at").
"""

import json
import os
import signal
import sys
from pathlib import Path


def serve(databases, folder):
    prepare(json.loads(databases), folder)
    print("ready", flush=True)
    for line in sys.stdin:
        request, *cut = json.loads(line)
        notes = Path(folder) / "statements"
        notes.write_text("")
        child = os.fork()
        if child == 0:
            work(request, cut, notes)
        _pid, status = os.waitpid(child, 0)
        answer = {"killed": os.WIFSIGNALED(status), "statements": notes.read_text().splitlines()}
        print(json.dumps(answer), flush=True)


def prepare(databases, folder):
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings_test"
    os.environ["JAWORT_VAR"] = folder
    import django
    from django.conf import settings

    for alias, values in databases.items():
        settings.DATABASES[alias].update(values)
    settings.ANSWER_SUBJECT = "tests.privacy.fake_people.answer"
    settings.JAWORT_EXPORT_DIR = f"{folder}/exports"
    django.setup()

    from privacy import inventory
    from tests.privacy import fake_people

    inventory._pages = lambda: {"people": fake_people}


def work(pk, cut, notes):
    """Go on with one erasure until there is nothing to do; never returns."""
    from django.db import connections

    from privacy.models import Request
    from privacy.requests.erasure.machine import Progress, complete_erasure

    deadly = Deadly(*cut)
    with notes.open("a", buffering=1) as book:

        def watch(execute, sql, params, many, context):
            text = described(sql, context["connection"].alias)
            if deadly.comes_with(text):
                os.kill(os.getpid(), signal.SIGKILL)
            book.write(f"{text}\n")
            return execute(sql, params, many, context)

        for alias in ("default", "keystore"):
            connections[alias].execute_wrappers.append(watch)
        request = Request.objects.get(pk=pk)
        while complete_erasure(request=request) in (Progress.WAITING, Progress.SCANNING):
            pass
    os._exit(0)


class Deadly:
    """The statement that is not sent any more."""

    def __init__(self, mark, time, behind):
        self.mark, self.time, self.behind = mark, time, behind

    def comes_with(self, text):
        if self.time:
            self.time -= self.mark in text
            return not self.time and not self.behind
        self.behind -= 1
        return self.behind == 0


def described(sql, alias):
    words = sql.replace('"', "").split()
    done = " done_at" if "SET done_at" in " ".join(words) else ""
    return f"{alias} {words[0]} {words[1]}{done}"


if __name__ == "__main__":
    serve(*sys.argv[1:])
