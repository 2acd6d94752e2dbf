import gettext

import pytest

from config import translations

PO = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

msgid "Broadcast"
msgstr "Aussendung"

msgid "%(count)s person"
msgid_plural "%(count)s people"
msgstr[0] "%(count)s Person"
msgstr[1] "%(count)s Personen"

msgid "Sent to %(name)s"
msgstr "Gesendet an %(name)s"
"""
CODE = """
from django.utils.translation import gettext_lazy as _, ngettext
title = _("Broadcast")
ngettext("%(count)s person", "%(count)s people", 2)
"""
TEMPLATE = """{% load i18n %}
    <div>
      {% blocktranslate trimmed %}
        Sent to {{ name }}
      {% endblocktranslate %}
  </div>
"""


@pytest.fixture
def app(tmp_path, monkeypatch):
    """A small app with one Python text, one plural and one text in a template, all in German."""
    monkeypatch.setattr(translations, "PROJECT", tmp_path)
    monkeypatch.setattr(translations, "APPS", ("news",))
    (tmp_path / "news" / "templates").mkdir(parents=True)
    (tmp_path / "news" / "views.py").write_text(CODE)
    (tmp_path / "news" / "templates" / "page.html").write_text(TEMPLATE)
    translations.catalogue_file("news").parent.mkdir(parents=True)
    translations.catalogue_file("news").write_text(PO)
    return tmp_path / "news"


def test_a_complete_catalogue_has_no_problem(app):
    assert list(translations.problems("news")) == []


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ('msgstr "Aussendung"', 'msgstr ""', "no German text for 'Broadcast'"),
        ('msgstr[1] "%(count)s Personen"', 'msgstr[1] ""', "no German text for '%(count)s person'"),
        ('msgid "Broadcast"', '#, fuzzy\nmsgid "Broadcast"', "marked as uncertain"),
        ('"Gesendet an %(name)s"', '"Gesendet an %(nmae)s"', "placeholder"),
        (
            'msgid "Broadcast"',
            'msgid "Campaign"\nmsgstr "Kampagne"\n\nmsgid "Broadcast"',
            "no longer",
        ),
    ],
)
def test_the_check_bites(app, before, after, complaint):
    assert before in PO
    translations.catalogue_file("news").write_text(PO.replace(before, after))

    [problem] = translations.problems("news")

    assert complaint in problem


def test_merging_brings_new_texts_keeps_old_ones_and_drops_lost_ones(app):
    (app / "views.py").write_text('_("Newsletter")')

    translations.merge("news")

    text = translations.catalogue_file("news").read_text()
    assert 'msgid "Newsletter"' in text
    assert 'msgstr "Gesendet an %(name)s"' in text
    assert "Aussendung" not in text


def test_merging_twice_changes_nothing(app):
    translations.merge("news")
    before = translations.catalogue_file("news").read_bytes()

    translations.merge("news")

    assert translations.catalogue_file("news").read_bytes() == before


def test_a_compiled_catalogue_is_read_by_gettext(app):
    translations.compile_catalogues()

    with translations.catalogue_file("news").with_suffix(".mo").open("rb") as file:
        german = gettext.GNUTranslations(file)
    assert german.gettext("Broadcast") == "Aussendung"
    assert german.ngettext("%(count)s person", "%(count)s people", 2) == "%(count)s Personen"
