import base64
import os
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env
from config.origin import Origin

NAME = "JAWORT_TESTED"
PASSWORD = "geheim-4711"


def test_a_missing_variable_is_named(monkeypatch):
    monkeypatch.delenv(NAME, raising=False)

    with pytest.raises(ImproperlyConfigured, match=NAME):
        env.text(NAME)


def test_an_empty_variable_counts_as_missing(monkeypatch):
    monkeypatch.setenv(NAME, "  ")

    assert env.text(NAME, "default") == "default"


@pytest.mark.parametrize(("word", "meaning"), [("yes", True), ("0", False), ("On", True)])
def test_a_flag_reads_yes_and_no(monkeypatch, word, meaning):
    monkeypatch.setenv(NAME, word)

    assert env.flag(NAME, default=not meaning) is meaning


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda: env.flag(NAME, False), "vielleicht"),
        (lambda: env.number(NAME, 1), "eins"),
        (lambda: env.root_key(NAME, Path("/missing")), base64.b64encode(b"too short").decode()),
        (lambda: env.root_key(NAME, Path("/missing")), "no base64!"),
        (lambda: env.database(NAME), f"mysql://u:{PASSWORD}@host/name"),
        (lambda: env.database(NAME), f"postgresql://u:{PASSWORD}@host"),
        (lambda: env.database(NAME), f"postgresql://u:{PASSWORD}@host:port/name"),
        (lambda: env.smtp(NAME), f"http://u:{PASSWORD}@host"),
        (lambda: Origin.read(NAME, None), "http://news.example.org"),
        (lambda: Origin.read(NAME, None), "https://news.example.org/path"),
        (lambda: Origin.read(NAME, None), "news.example.org"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_never_quoted(monkeypatch, read, value):
    monkeypatch.setenv(NAME, value)

    with pytest.raises(ImproperlyConfigured, match=NAME) as refusal:
        read()

    assert PASSWORD not in str(refusal.value)


def test_a_database_url_is_read_whole(monkeypatch):
    monkeypatch.setenv(
        NAME, "postgresql://app:p%40ss@db.example.org:5433/jawort?sslmode=verify-full"
    )

    settings = env.database(NAME)

    assert settings["HOST"] == "db.example.org"
    assert settings["PORT"] == "5433"
    assert settings["PASSWORD"] == "p@ss"
    assert settings["NAME"] == "jawort"
    assert settings["OPTIONS"] == {"sslmode": "verify-full"}


def test_a_secret_comes_from_a_file_that_only_its_owner_reads(monkeypatch, tmp_path):
    file = tmp_path / "key"
    file.write_text("secret-value\n")
    file.chmod(0o400)
    monkeypatch.delenv(NAME, raising=False)
    monkeypatch.setenv(f"{NAME}_FILE", str(file))

    assert env.secret(NAME, Path("/missing")) == "secret-value"


def test_a_secret_that_others_can_read_is_refused(monkeypatch, tmp_path):
    file = tmp_path / "key"
    file.write_text("secret-value\n")
    file.chmod(0o440)
    monkeypatch.delenv(NAME, raising=False)

    with pytest.raises(ImproperlyConfigured, match="chmod 0400") as refusal:
        env.secret(NAME, file)

    assert "secret-value" not in str(refusal.value)


def test_the_env_file_fills_only_what_the_environment_leaves_open(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text(
        f'# a comment\n{NAME}_A="from the file"\n{NAME}_B=from the file\n'
    )
    monkeypatch.setenv("JAWORT_ENV_FILE", str(tmp_path / ".env"))
    monkeypatch.setenv(f"{NAME}_A", "kept")
    monkeypatch.setenv(f"{NAME}_B", "removed again by monkeypatch")
    monkeypatch.delenv(f"{NAME}_B")

    env.load_file(tmp_path)

    assert os.environ[f"{NAME}_A"] == "kept"
    assert os.environ[f"{NAME}_B"] == "from the file"
