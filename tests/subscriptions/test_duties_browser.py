"""The pages of the smaller duties in a real browser: forms, waiting texts, own links, steps."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import os
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from privacy.access import Actor
from subscriptions.actions import create_form, submit_text
from subscriptions.actions.wordings import default_template
from subscriptions.imports import check_import, jobs
from tests.journeys.checks import faults_at_every_size
from tests.journeys.conftest import browser, new_page

from .conftest import SYSTEM, make_staff
from .test_duties_footer import CUSTOMER_LINE, HEADER, bring, draft_of

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True, databases=["default", "keystore"]),
]
LOOK = os.environ.get("JAWORT_LOOK")  # a folder for pictures, for whoever works on these pages


def look(page, name):
    if LOOK:
        page.screenshot(path=str(Path(LOOK) / f"{name}.png"), full_page=True)
    assert faults_at_every_size(page) == [], name


def open_as(new_page, live_server, user, lang):
    page, client = new_page(lang=lang), Client()
    client.force_login(user)
    name = django_settings.SESSION_COOKIE_NAME
    value = client.cookies[name].value
    page.context.add_cookies([{"name": name, "value": value, "url": live_server.url}])
    return page


@pytest.mark.parametrize("lang", ["de", "en"] if LOOK else ["de"])
def test_the_pages_of_the_smaller_duties(new_page, live_server, newsletter, chat, settings, lang):
    settings.JAWORT_ORIGIN = live_server.url
    create_form(
        newsletter=newsletter, code="raffle", name="Stadtfest", coupled_offer=True, actor=SYSTEM,
        offer_de="Ein Gewinnspiel. Eine Postkarte genügt auch.", offer_en="A raffle.",
    )  # fmt: skip
    create_form(newsletter=newsletter, code="stand", name="Messestand", actor=SYSTEM)
    admin = make_staff("administrator", email="a@example.org")
    text = default_template("simulator", "de") + "\nBitte schön."
    waits = submit_text(
        newsletter=newsletter, language="de", kind="simulator", text=text, actor=Actor.staff(admin)
    )
    bring(newsletter, chat, CUSTOMER_LINE)
    imported = check_import(
        newsletter=newsletter, channel=chat, content=(HEADER + CUSTOMER_LINE).encode(),
        legal_basis="existing_customer_7_3", similar_offers="Abos",
        actor=Actor.staff(make_staff("publisher", email="p@example.org")),
    )  # fmt: skip
    jobs.ImportJob.objects.create(
        import_id=imported.pk, verb="load", done=40, total=100, asked_by=admin.pk,
        beat_at=timezone.now(),
    )  # fmt: skip
    settings.JAWORT_DEMO = True  # no second factor from here on
    officer = make_staff("dpo", email="d@example.org")
    ours = f"{live_server.url}/desk/newsletters/{newsletter.pk}"

    page = open_as(new_page, live_server, officer, lang)
    for name, path in {
        "forms": f"{ours}/forms/",
        "proposal": f"{live_server.url}/desk/newsletters/texts/{waits.pk}/",
        "notice": f"{ours}/texts/notice/de/",
        "import": f"{live_server.url}/desk/imports/{imported.pk}/",
    }.items():
        page.goto(path)
        look(page, f"{name}-{lang}")

    newsletter.for_children = True
    newsletter.save()
    page = new_page(lang=lang)
    page.goto(f"{live_server.url}/n/{newsletter.slug}/from/stand/?lang={lang}")
    look(page, f"stand-{lang}")
    page.get_by_role("radio").first.check()
    page.locator("button[name=start]").first.click()
    page.wait_for_selector("svg")
    look(page, f"start-link-{lang}")
    if LOOK:
        publisher = make_staff("publisher", email="q@example.org")
        page = open_as(new_page, live_server, publisher, lang)
        draft = draft_of(newsletter, is_ai_text=True)
        page.goto(f"{live_server.url}/desk/broadcasts/{draft.pk}/edit/")
        page.wait_for_timeout(1500)
        page.screenshot(path=str(Path(LOOK) / f"compose-{lang}.png"), full_page=True)
