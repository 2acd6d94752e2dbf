"""What people are shown before they say yes: complete, free of advertising, seen by two."""

import re

import pytest
from django.urls import reverse

from privacy.access import Actor
from privacy.models import AuditEntry, Controller
from privacy.requests import approvals
from privacy.requests.errors import SamePerson
from subscriptions import texts
from subscriptions.actions import (
    change_newsletter,
    default_notice,
    publish_notice,
    publish_wording,
    submit_text,
)
from subscriptions.actions.wordings import current_notice, current_wording, default_template
from subscriptions.conversation import Incoming, answer
from subscriptions.errors import NeedsSecondPerson, WordingRefused
from subscriptions.lint import ITEMS, notice_findings, said_too_much, wording_findings
from subscriptions.models import TextProposal

from .conftest import PHONE, SYSTEM, make_newsletter, make_staff, outgoing

FACTS = {
    "controller": "Verlag GmbH",
    "controller_address": "Markt 1, 12345 Musterstadt",
    "controller_email": "verlag@example.org",
    "dpo": "datenschutz@example.org",
    "authority": "Landesbeauftragte",
    "providers": "Simulator, DE.",
    "newsletter": "Stadtanzeiger",
    "publisher": "Verlag GmbH",
    "what": "Nachrichten",
    "frequency": "täglich",
    "imprint_url": "https://example.org/",
}


def notice(language):
    return texts.fill(texts.template("notice", language)[1], FACTS)


def codes(found):
    return [finding.code for finding in found]


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_our_own_notice_has_every_item_and_each_one_is_missed(language):
    whole = notice(language)
    assert notice_findings(whole, language, has_customers=True, has_lists=True) == []

    for item, by in ITEMS.items():
        without = re.sub(by[language], "§§§", whole, flags=re.IGNORECASE)
        assert item in codes(notice_findings(without, language)), item


@pytest.mark.parametrize(
    ("said", "unsaid", "code"),
    [
        ("## Ihr Widerspruchsrecht", "**Ihr Widerspruchsrecht**", "objection"),  # Art. 21(4)
        ("berechtigtes Interesse", "Wunsch", "interests"),  # it names Art. 6(1)(f)
        ("Woher die Daten stammen", "Noch etwas", "source"),
        ("datenschutz@example.org", "(noch einzutragen)", "unfilled"),
    ],
)
def test_what_a_notice_may_lack_beside_the_list(said, unsaid, code):
    text = notice("de").replace(said, unsaid).replace("übernommen", "da")

    found = notice_findings(text, "de", has_lists=code == "source")

    assert codes(found) == [code]
    assert bool(found[0].line) == (code == "unfilled")


@pytest.mark.parametrize(
    ("words", "code", "place"),
    [
        ("Mehr auf abo.example.de/neu", "link", (10, 10)),
        ("Auch von unseren Partnern", "others", (10, 18)),
        ("Es gelten unsere AGB", "hidden", (10, 18)),
        ("Wir rufen an: telefonisch", "hidden", (10, 15)),
        ("Jetzt mit Gutschein", "advertises", (10, 11)),
    ],
)
def test_what_a_wording_must_not_say_is_named_with_its_place(words, code, place):
    text = default_template("simulator", "de") + f"\n\n\n{words}"

    (found,) = wording_findings(text, "de", "simulator")

    assert found.code == code
    assert (found.line, found.column) == place


def test_no_message_of_ours_advertises_or_leads_elsewhere():
    for name in [*texts.message_names(), "objection_footer", "machine_text"]:
        for language in texts.LANGUAGES:
            text = "\n".join(texts.template(name, language))
            assert [one for one in said_too_much(text) if one.code != "hidden"] == [], name


pytestmark = pytest.mark.django_db


def test_the_first_message_names_imprint_notice_and_the_automatic_service(chat, newsletter):
    from django.utils import timezone

    answer(Incoming(channel=chat, canonical=PHONE, text="START", at=timezone.now(), ref="1"))

    (first,) = outgoing()
    assert "automatischer Dienst" in first.text
    assert newsletter.imprint_url in first.text
    assert f"/notice/{current_notice(newsletter, 'de').pk}/" in first.text
    for words in (newsletter.publisher, newsletter.name, newsletter.what_de, "STOP", "JA"):
        assert words in first.text
    assert len(re.findall(r"https?://", first.text)) == 2  # nothing else to press


def test_a_notice_without_an_item_is_not_published(newsletter):
    with pytest.raises(WordingRefused) as refused:
        publish_notice(newsletter=newsletter, language="de", text="Wir speichern.", actor=SYSTEM)

    assert set(codes(refused.value.findings)) >= {"dpo", "transfers", "right_18", "objection"}
    assert newsletter.notices.filter(language="de").count() == 1


def test_a_sign_up_page_opens_only_with_complete_texts(chat):
    newsletter = make_newsletter("Neu", chat, is_public=False)
    admin = Actor.staff(make_staff("administrator"))
    with pytest.raises(WordingRefused, match="Fill this in"):
        change_newsletter(newsletter=newsletter, is_public=True, actor=admin)

    Controller.objects.create(
        pk=1, name="Verlag", address="Markt 1", email="v@example.org", imprint_url="https://x.org",
        dpo_contact="d@example.org", authority="Behörde", land="BE",
    )  # fmt: skip
    for language in texts.LANGUAGES:
        text = default_notice(newsletter, language, [chat])
        publish_notice(newsletter=newsletter, language=language, text=text, actor=SYSTEM)
    change_newsletter(newsletter=newsletter, is_public=True, actor=admin)

    newsletter.refresh_from_db()
    assert newsletter.is_public


def test_a_text_of_ones_own_needs_a_second_person(newsletter, client):
    admin, officer = make_staff("administrator"), make_staff("dpo")
    before = current_wording(newsletter, "de", "simulator")
    text = default_template("simulator", "de") + "\nBitte schön."
    how = {"newsletter": newsletter, "language": "de", "text": text}
    with pytest.raises(NeedsSecondPerson):
        publish_wording(channel_kind="simulator", actor=Actor.staff(admin), **how)

    waits = submit_text(kind="simulator", actor=Actor.staff(admin), **how)

    assert current_wording(newsletter, "de", "simulator") == before
    (asked,) = approvals.pending()
    assert reverse("newsletter_proposal", args=[waits.pk]) == approvals.page_of(asked)
    with pytest.raises(SamePerson):
        approvals.approve(asked, Actor.staff(admin))
    approvals.approve(asked, Actor.staff(officer))
    now = current_wording(newsletter, "de", "simulator")
    assert now.text.endswith("Bitte schön.")
    assert now.published_by == admin
    assert TextProposal.objects.get().decided_by == officer
    logged = AuditEntry.objects.filter(action="wording.published").latest("id")
    assert now.pk in bytes(logged.entry).decode()  # its hash stands in the log


def test_what_the_second_person_refuses_nobody_reads(newsletter):
    admin, officer = make_staff("administrator"), make_staff("dpo")
    before = current_notice(newsletter, "de")
    submit_text(
        newsletter=newsletter, language="de", kind="notice",
        text=notice("de"), actor=Actor.staff(admin),
    )  # fmt: skip

    approvals.refuse(approvals.pending().get(), Actor.staff(officer))

    assert current_notice(newsletter, "de") == before
    assert TextProposal.objects.get().status == "refused"


def test_the_demo_has_nobody_to_ask(newsletter, settings):
    settings.JAWORT_DEMO = True
    admin = make_staff("administrator")

    waits = submit_text(
        newsletter=newsletter, language="de", kind="notice",
        text=notice("de"), actor=Actor.staff(admin),
    )  # fmt: skip

    assert waits is None
    assert current_notice(newsletter, "de").text == notice("de")
