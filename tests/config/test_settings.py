import ast
import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import get_commands
from django.db import connections

from config.embedded.processes import MARK

PROJECT = Path(__file__).resolve().parent.parent.parent
PRODUCTION = {
    "JAWORT_ENV_FILE": os.devnull,
    "JAWORT_ORIGIN": "https://news.example.org",
    "DATABASE_URL": "postgresql://app:x@db.example.org/jawort",
    "KEYSTORE_URL": "postgresql://app:x@keys.example.org/jawort",
    "CELERY_BROKER_URL": "redis://broker.example.org/0",
    "JAWORT_SMTP_URL": "smtps://mail.example.org",
    "JAWORT_KEY": base64.b64encode(bytes(32)).decode(),
    "SECRET_KEY": "x" * 64,
}
READ = """
import json, sys
from config import settings
print(json.dumps({name: getattr(settings, name) for name in sys.argv[1:]}))
"""


def read_settings(environment: dict[str, str], *names: str) -> subprocess.CompletedProcess[str]:
    """The settings `names` as a fresh process sees them, with nothing set but `environment`."""
    return subprocess.run(
        [sys.executable, "-c", READ, *names],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
    )


def test_production_is_safe_without_being_asked():
    done = read_settings(
        PRODUCTION,
        *("DEBUG", "JAWORT_DEMO", "SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE"),
        *("SESSION_COOKIE_NAME", "ALLOWED_HOSTS", "SECURE_HSTS_SECONDS"),
    )

    assert json.loads(done.stdout) == {
        "DEBUG": False,
        "JAWORT_DEMO": False,
        "SECURE_SSL_REDIRECT": True,
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_NAME": "__Host-session",
        "ALLOWED_HOSTS": ["news.example.org"],
        "SECURE_HSTS_SECONDS": 31_536_000,
    }


@pytest.mark.parametrize(
    "name", [name for name in PRODUCTION if name not in ("JAWORT_ENV_FILE", "DATABASE_URL")]
)
def test_production_does_not_start_without(name, tmp_path):
    environment = {key: value for key, value in PRODUCTION.items() if key != name}

    done = read_settings({**environment, "JAWORT_VAR": str(tmp_path)}, "DEBUG")

    assert done.returncode == 1
    assert re.search(rf"ImproperlyConfigured: {name} is (not set|missing)", done.stderr)


def test_with_nothing_set_the_missing_secret_is_named(tmp_path):
    done = read_settings({"JAWORT_ENV_FILE": os.devnull, "JAWORT_VAR": str(tmp_path)}, "DEBUG")

    assert done.returncode == 1
    assert "SECRET_KEY is missing" in done.stderr


def test_the_demo_never_listens_to_others(tmp_path):
    environment = {
        "JAWORT_ENV_FILE": os.devnull,
        "JAWORT_VAR": str(tmp_path),
        "JAWORT_KEY": PRODUCTION["JAWORT_KEY"],
        "SECRET_KEY": PRODUCTION["SECRET_KEY"],
    }

    at_home = read_settings(environment, "JAWORT_DEMO")
    abroad = read_settings(
        {**environment, "JAWORT_ORIGIN": "https://news.example.org"}, "JAWORT_DEMO"
    )

    assert json.loads(at_home.stdout) == {"JAWORT_DEMO": True}
    assert json.loads(abroad.stdout) == {"JAWORT_DEMO": False}


def variables_read() -> set[str]:
    """Every variable that the code of config reads, found in its source."""
    found = set()
    for file in (PROJECT / "config").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                first = node.args[0] if node.args else None
                owner = getattr(node.func.value, "id", "")
                if owner in ("env", "Origin") and isinstance(first, ast.Constant):
                    found.add(str(first.value))
                    if node.func.attr in ("secret", "optional_secret", "root_key"):
                        found.add(f"{first.value!s}_FILE")
    return found


def variables_named() -> set[str]:
    """Every word in the source that looks like a variable of ours, read or merely written down."""
    found = set()
    for room in ("config", "broadcasts", "subscriptions", "messengers", "privacy"):
        for file in (PROJECT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                text = str(node.value) if isinstance(node, ast.Constant) else ""
                if re.fullmatch(r"JAWORT_[A-Z_]+", text):
                    found.add(text)
    return found - {MARK}


def test_the_example_names_every_variable_and_no_other():
    text = (PROJECT / ".env.example").read_text()
    named = re.findall(r"^#?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE)

    assert sorted(named) == sorted(variables_read() | variables_named())


def test_the_manual_explains_every_variable():
    manual = (PROJECT / "docs" / "operating.md").read_text()

    assert [
        name for name in variables_read() | variables_named() if f"`{name}`" not in manual
    ] == []


def test_the_manual_names_every_command():
    manual = (PROJECT / "docs" / "operating.md").read_text()
    rooms = tuple(
        config.name for config in apps.get_app_configs() if "/site-packages/" not in config.path
    )
    ours = [name for name, room in get_commands().items() if room in rooms]

    assert len(ours) > 5
    assert [name for name in sorted(ours) if f"| `{name}` |" not in manual] == []


@pytest.mark.django_db
def test_both_databases_answer_to_the_owner_of_the_tables():
    for alias in ("default", "keystore"):
        with connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT bool_and(tableowner = current_user) FROM pg_tables"
                " WHERE schemaname = 'public'"
            )
            assert cursor.fetchone() == (True,)


@pytest.mark.django_db
def test_values_travel_apart_from_the_statement():
    """Otherwise a failing statement would carry them into the server's log."""
    for alias in ("default", "keystore"):
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT pg_typeof(%s), %s", [1, "Mustermann"])
            assert "$1" in cursor.cursor._query.query.decode()


def test_messages_of_the_broker_are_plain_json():
    assert settings.CELERY_ACCEPT_CONTENT == ["json"]
    assert settings.CELERY_TASK_SERIALIZER == "json"
    assert settings.CELERY_RESULT_BACKEND is None
