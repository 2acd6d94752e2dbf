"""German texts without GNU gettext: gathered from the code, checked, compiled.

English stands in the code; German in `<app>/locale/de/LC_MESSAGES/django.po`. The compiled .mo
files are made before every start and are not kept in git.
"""

import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

PROJECT = Path(__file__).resolve().parent.parent
APPS = ("config", "broadcasts", "subscriptions", "messengers", "privacy")
LANGUAGE = "de"
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
COMMENT_TAGS = ("Translators",)
TEMPLATE_SUFFIXES = (".html", ".txt", ".xml")


def catalogue_file(app: str) -> Path:
    return PROJECT / app / "locale" / LANGUAGE / "LC_MESSAGES" / "django.po"


def sources(app: str) -> Iterator[Path]:
    """The Python files of an app, and what lies in its folders `templates`."""
    for file in sorted((PROJECT / app).rglob("*")):
        parts = file.relative_to(PROJECT / app).parts
        is_code = file.suffix == ".py" and "migrations" not in parts
        is_template = file.suffix in TEMPLATE_SUFFIXES and "templates" in parts
        if is_code or is_template:
            yield file


def gather(app: str) -> Catalog:
    """Every text of the app, in English, with the places it stands in."""
    found = Catalog(locale=LANGUAGE)
    for file in sources(app):
        text = file.read_text(encoding="utf-8")
        if file.suffix != ".py":
            text = _flat(templatize(text, origin=str(file)))
        code = io.BytesIO(text.encode())
        place = str(file.relative_to(PROJECT))
        for _line, message, comments, context in extract(
            "python", code, keywords=KEYWORDS, comment_tags=COMMENT_TAGS
        ):
            found.add(message, locations=[(place, 0)], auto_comments=comments, context=context)
    return found


def read(app: str) -> Catalog:
    file = catalogue_file(app)
    if not file.exists():
        return Catalog(locale=LANGUAGE, project="Jawort", charset="utf-8")
    with file.open("rb") as handle:
        return read_po(handle, locale=LANGUAGE)


def merge(app: str) -> None:
    """Bring new texts into the app's catalogue and drop those that the code no longer has."""
    catalogue = read(app)
    catalogue.update(gather(app), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    if not len(catalogue):
        return
    file = catalogue_file(app)
    file.parent.mkdir(parents=True, exist_ok=True)
    text = io.BytesIO()
    write_po(text, catalogue, width=100, sort_output=True, omit_header=False, include_lineno=False)
    if not file.exists() or _without_dates(file.read_bytes()) != _without_dates(text.getvalue()):
        file.write_bytes(text.getvalue())


def problems(app: str) -> Iterator[str]:
    """One sentence for each text that is missing, uncertain, wrong or left over in German."""
    catalogue, wanted = read(app), gather(app)
    for message in wanted:
        if not message.id:
            continue
        german = catalogue.get(_key(message), message.context)
        if german is None or not _complete(german):
            yield f"{app}: no German text for {_key(message)!r}"
        elif german.fuzzy:
            yield f"{app}: the German text for {_key(message)!r} is marked as uncertain"
        else:
            german.flags |= message.flags
            for error in german.check(catalogue):
                yield f"{app}: {_key(message)!r}: {error}"
    for message in catalogue:
        if message.id and wanted.get(_key(message), message.context) is None:
            yield f"{app}: {_key(message)!r} is translated, but no longer in the code"


def compile_catalogues() -> None:
    """Make the .mo file of every catalogue that has changed since; written whole or not at all."""
    for app in APPS:
        source = catalogue_file(app)
        target = source.with_suffix(".mo")
        if not source.exists():
            continue
        if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
            continue
        handle, unfinished = tempfile.mkstemp(dir=source.parent)
        with os.fdopen(handle, "wb") as out:
            write_mo(out, read(app))
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, target)


def _flat(code: str) -> str:
    """A template's texts as Python that can be read: its indentation means nothing there."""
    return "\n".join(line.lstrip() for line in code.splitlines())


def _key(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def _complete(message: Message) -> bool:
    texts = message.string if isinstance(message.string, list | tuple) else [message.string]
    return all(texts)


def _without_dates(text: bytes) -> list[bytes]:
    dated = (b'"POT-Creation-Date', b'"PO-Revision-Date', b'"Generated-By')
    return [line for line in text.splitlines() if not line.startswith(dated)]


if __name__ == "__main__":
    compile_catalogues()
