"""The pages keep their word: links lead somewhere, commands exist, versions are those we test."""

import re
import subprocess
import sys
from pathlib import Path

import django
import pytest

from config.embedded.home import packaged_binaries

PROJECT = Path(__file__).resolve().parent.parent
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_leads_to_a_file(page):
    links = LINK.findall(page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_make_target_in_the_pages_exists():
    makefile = (PROJECT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"(?:^ {4}|`)make ([a-z-]+)", text, re.MULTILINE))

    assert "run" in named
    assert named - targets == set()


def test_the_readme_is_short():
    assert len((PROJECT / "README.md").read_text().splitlines()) < 150


def test_the_versions_of_the_readme_are_those_we_test():
    text = (PROJECT / "README.md").read_text()
    promised = dict(re.findall(r"(Python|Django|PostgreSQL) (\d+(?:\.\d+)?)", text))
    postgres = subprocess.run(
        [packaged_binaries() / "bin" / "postgres", "--version"], capture_output=True, text=True
    )

    assert promised["Django"] == ".".join(map(str, django.VERSION[:2]))
    assert f" {promised['PostgreSQL']}." in postgres.stdout
    assert 'requires-python = ">=3.11"' in (PROJECT / "pyproject.toml").read_text()
    assert sys.version_info >= tuple(map(int, promised["Python"].split(".")))
