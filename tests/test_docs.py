"""The pages keep their word: links lead somewhere, commands exist, versions are those we test."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from django.core.management import call_command, get_commands
from django.urls import URLResolver, get_resolver

from config.demo.newsroom import furnish
from config.demo.people import write_lists
from config.embedded.home import packaged_binaries
from messengers.registry import ADAPTERS

PROJECT = Path(__file__).resolve().parent.parent
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
ROOMS = ("config", "broadcasts", "subscriptions", "messengers", "privacy", "tests", "docs")
FILE = re.compile(rf"`((?:{'|'.join(ROOMS)})/[\w./-]*)`")
ADDRESS = re.compile(r"`(?:GET |POST )?(/[^`\s]*)`")


def said(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def missing_files(text: str) -> list[str]:
    return [path for path in FILE.findall(text) if not (PROJECT / path).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_leads_to_a_file(page):
    links = LINK.findall(page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_file_that_a_page_names_exists(page):
    assert missing_files(said(page)) == []


def test_every_test_that_a_page_names_exists():
    """A promise whose test was renamed looks kept and is not."""
    code = "\n".join(said(file) for room in ROOMS for file in (PROJECT / room).rglob("*.py"))
    here = set(re.findall(r"def (test_\w+)\(", code))
    named = {name for page in PAGES for name in re.findall(r"`(test_\w+)`", said(page))}

    assert "test_no_canary_comes_to_light" in named
    assert sorted(named - here) == []


def test_a_file_that_is_gone_would_be_noticed():
    text = "`privacy/vault/`, `tests/gone.py`, `subscriptions/words/table.py`, `docs/gone/`"

    assert missing_files(text) == ["tests/gone.py", "docs/gone/"]


def test_every_page_that_the_code_cites_exists():
    """A comment that sends the reader to a page of the past is worse than none."""
    code = [file for room in ROOMS for file in (PROJECT / room).rglob("*.py")]
    cited = {page for file in code for page in re.findall(r"\bdocs/[\w/-]+\.md", said(file))}

    assert "docs/architecture.md" in cited
    assert [page for page in sorted(cited) if not (PROJECT / page).exists()] == []


@pytest.mark.parametrize("kind", sorted(ADAPTERS))
def test_every_messenger_has_a_page(kind):
    assert said(PROJECT / "docs" / "channels" / f"{kind}.md").startswith("# ")


def first_segments(resolver: URLResolver, before: str = "") -> Iterator[str]:
    """The first part of every path, as it stands in the address: `desk`, `livez`, `n`."""
    for pattern in resolver.url_patterns:
        path = before + str(pattern.pattern)
        if path:
            yield path.partition("/")[0]
        elif isinstance(pattern, URLResolver):
            yield from first_segments(pattern)


def test_every_address_begins_with_a_word_that_the_pages_explain():
    explained = {address.split("/")[1] for page in PAGES for address in ADDRESS.findall(said(page))}
    ours = set(first_segments(get_resolver()))

    assert {"desk", "hooks", "n", "privacy", "livez"} <= ours
    assert ours - explained == set()


def test_every_make_target_in_the_pages_exists():
    makefile = (PROJECT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"(?:^ {4}|`)make ([a-z-]+)", text, re.MULTILINE))

    assert "run" in named
    assert named - targets == set()


COMMAND = re.compile(r"^ {4,}(?:\S+=\S+ )*(?:\.venv/bin/python )?manage\.py (.+)$", re.MULTILINE)


def test_every_command_in_the_pages_exists_and_names_its_python():
    known = {*get_commands(), "run"}  # manage.py looks after that one itself

    for page in PAGES:
        for line in COMMAND.finditer(said(page)):
            assert ".venv/bin/python manage.py" in line[0], f"{page.name}: {line[0]}"
            assert line[1].split()[0] in known, page.name


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["README.md", "docs/imports.md"])
def test_the_import_of_the_pages_works_in_the_demo_as_it_stands(page, tmp_path, capsys):
    furnish()
    text = said(PROJECT / page)
    assert "    .venv/bin/python -m config.demo.people /tmp" in text
    write_lists(tmp_path)
    lines = [line for line in COMMAND.findall(text) if line.startswith("import_subscribers")]
    assert lines

    for line in lines:
        call_command(*line.replace("/tmp/", f"{tmp_path}/").split())

        assert re.search(r"1000 +good", capsys.readouterr().out)


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
