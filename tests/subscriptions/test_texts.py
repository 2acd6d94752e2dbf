import pytest

from messengers.contract import Account
from messengers.placeholders import Slot, parse
from messengers.registry import ADAPTERS
from privacy.ids import uuid7
from subscriptions import texts
from subscriptions.actions import add_keyword, publish_notice, publish_wording, wording_problems
from subscriptions.actions.wordings import (
    confirmation_content,
    current_notice,
    current_wording,
    default_template,
)
from subscriptions.errors import KeywordRefused, WordingRefused
from subscriptions.models import Keyword, Wording

from .conftest import SYSTEM, make_newsletter


def filled_in(notice):
    """A default notice of a house whose publisher has not been entered, with facts."""
    return notice.replace("(noch einzutragen)", "datenschutz@example.org")


LONGEST = {
    "what": "Datenübertragbarkeit (Art. 20)",
    "newsletter": "N" * 80,
    "newsletters": ", ".join(["N" * 80] * 4),
    "publisher": "P" * 120,
    "topics": "T" * 200,
    "chosen": "T" * 200,
    "remaining": "T" * 200,
    "number": "2026-000007",
    "due": "2026-12-31",
    "age_limit": "16",
    "until": "2026-12-31",
}
URL = "https://news.example-newspaper.org/c/" + "x" * 64 + "/"


def adapter(kind):
    settings = {"from_address": "news@example.org", "host": "127.0.0.1"}
    account = Account(uuid7(), kind, settings, {}, "https://example.org", "Redaktion")
    return ADAPTERS[kind](account)


@pytest.mark.parametrize("kind", sorted(ADAPTERS))
@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize("name", texts.message_names())
def test_every_message_fits_every_messenger_at_its_longest(kind, language, name):
    content = texts.content(name, language)

    assert adapter(kind).check(content) == []
    slots = {
        s.name
        for s in parse(content.markdown + content.subject, allowed=None)
        if isinstance(s, Slot)
    }
    values = {slot: URL if slot.endswith("_url") else LONGEST[slot] for slot in slots}
    message = adapter(kind).render(content).fill(values)
    limit = ADAPTERS[kind].capabilities.text_max
    assert not limit or len(message.text) <= limit


def test_every_message_is_there_in_both_languages_with_the_same_placeholders():
    assert len(texts.message_names()) >= 18
    for name in [*texts.message_names(), *texts.PARTS]:
        slots = [
            {
                s.name
                for s in parse("".join(texts.template(name, language)), allowed=None)
                if isinstance(s, Slot)
            }
            for language in texts.LANGUAGES
        ]
        assert slots[0] == slots[1], name


def test_values_are_shown_as_they_are_and_never_become_markup():
    filled = texts.fill("*{newsletter}* {link_url}", {"newsletter": "A*B {x}", "link_url": URL})

    assert filled == rf"*A\*B {{{{x}}* {URL}"
    assert parse(filled) == (rf"*A\*B {{x}}* {URL}",)


@pytest.mark.parametrize("kind", sorted(ADAPTERS))
@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_the_default_wordings_keep_their_own_rules(kind, language):
    assert wording_problems(default_template(kind, language), language, kind) == []


@pytest.mark.django_db
@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_a_published_wording_fits_its_messenger(newsletter, chat, mail, language):
    for channel in (chat, mail):
        wording = current_wording(newsletter, language, channel.kind)
        assert wording
        content = confirmation_content(wording, channel)
        assert adapter(channel.kind).check(content) == []
        assert content.markdown == wording.text


GOOD = default_template("simulator", "de")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (GOOD.replace("{publisher}", "uns"), "publisher"),
        (GOOD.replace("{frequency}", "oft"), "frequency"),
        (GOOD.replace("{imprint_url}", ""), "imprint_url"),
        (GOOD.replace("JA", "ok"), "JA"),
        (GOOD.replace("STOP", "Ende"), "STOP"),
        (GOOD.replace("automatischer", "netter"), "automatic"),
        (GOOD + "\nhttps://shop.example.org/abo", "No links"),
        (GOOD + "\nwww.shop.example.org", "No links"),
        (GOOD + "\nJetzt 20 % Rabatt!", "advertise"),
        (GOOD + "\nGewinnspiel: Kreuzfahrt", "advertise"),
        (GOOD + "\n![Logo](x)", "pictures"),
        (GOOD + "\n{first_name}", "first_name"),
        (GOOD + "\n{newsletter", "closed"),
        (GOOD + "x" * 1500, "characters"),
    ],
)
def test_a_confirmation_that_lacks_something_or_advertises_is_refused(text, problem):
    assert wording_problems(GOOD, "de", "simulator") == []

    found = wording_problems(text, "de", "simulator")

    assert any(problem in one for one in found), found


def test_a_mail_needs_its_link():
    text = default_template("email", "de")

    assert wording_problems(text.replace("{confirm_url}", ""), "de", "email") == [
        "{confirm_url} is missing."
    ]


@pytest.mark.django_db
def test_a_version_is_named_by_its_content_and_never_changes(newsletter):
    before = set(Wording.objects.values_list("pk", "text"))
    text = GOOD + "\nBitte schön."

    first = publish_wording(
        newsletter=newsletter, language="de", channel_kind="simulator", text=text, actor=SYSTEM
    )
    again = publish_wording(
        newsletter=newsletter, language="de", channel_kind="simulator", text=text, actor=SYSTEM
    )

    assert first.pk == again.pk
    assert len(first.pk) == 64
    assert set(Wording.objects.values_list("pk", "text")) == before | {(first.pk, first.text)}
    assert current_wording(newsletter, "de", "simulator") == first


@pytest.mark.django_db
def test_publishing_an_old_version_again_brings_it_back(newsletter):
    old = current_wording(newsletter, "de", "simulator")
    publish_wording(
        newsletter=newsletter,
        language="de",
        channel_kind="simulator",
        text=GOOD + "\nNeu.",
        actor=SYSTEM,
    )
    assert current_wording(newsletter, "de", "simulator") != old

    publish_wording(newsletter=newsletter, language="de", channel_kind="simulator", actor=SYSTEM)

    assert current_wording(newsletter, "de", "simulator") == old


@pytest.mark.django_db
def test_another_notice_makes_another_wording(newsletter):
    old = current_wording(newsletter, "de", "simulator")
    assert old
    text = filled_in(current_notice(newsletter, "de").text) + "\nNeu."
    notice = publish_notice(newsletter=newsletter, language="de", text=text, actor=SYSTEM)

    new = publish_wording(
        newsletter=newsletter, language="de", channel_kind="simulator", actor=SYSTEM
    )

    assert new.pk != old.pk
    assert f"/notice/{notice.pk}/" in new.text


@pytest.mark.django_db
def test_a_description_that_advertises_cannot_hide_in_the_wording(chat):
    with pytest.raises(WordingRefused, match="advertises"):
        make_newsletter("Reklame", chat, what_de="Nachrichten und Gewinnspiele")


@pytest.mark.django_db
@pytest.mark.parametrize("word", ["STOP", "Abmelden", "stpo", "ENDE", "!!!", "JA", "Hilfe"])
def test_no_keyword_may_take_a_meaning_away(newsletter, word):
    with pytest.raises(KeywordRefused):
        add_keyword(newsletter=newsletter, language="de", word=word, intent="start", actor=SYSTEM)


@pytest.mark.django_db
def test_a_newsletters_own_keyword_starts_it(newsletter, chat, say):
    make_newsletter("Küstenpost", chat)
    add_keyword(
        newsletter=newsletter, language="de", word="Stadtpost", intent="start", actor=SYSTEM
    )

    (asked,) = say("stadtpost!")

    assert "Stadtanzeiger" in asked.text
    assert Keyword.objects.get().word == "Stadtpost"
