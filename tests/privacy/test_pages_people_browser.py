"""A person's page, the proof and the receipt in a real browser: wide and narrow."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import os
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from privacy.models import DataSubject
from privacy.vault import sign_link
from subscriptions.models import ConsentRecord
from tests.journeys.checks import faults_at_every_size
from tests.journeys.conftest import browser, new_page
from tests.subscriptions.conftest import PHONE, chat, cheap_fingerprints, mail, newsletter, say

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True, databases=["default", "keystore"]),
]

LANGUAGES = os.environ.get("JAWORT_LANGUAGES", "de").split(",")
LOOK = os.environ.get("JAWORT_LOOK")  # a folder for pictures, for whoever works on these pages


@pytest.fixture
def person(say):
    """Yes in spring, no in summer, yes again in autumn."""
    now = timezone.now()
    for days, words in ((200, ("START", "JA")), (120, ("STOP",)), (40, ("START", "JA"))):
        with time_machine.travel(now - timedelta(days=days)):
            for word in words:
                say(word)
    return ConsentRecord.objects.first().subject


def check(page, name):
    if LOOK:
        page.screenshot(path=str(Path(LOOK) / f"{name}.png"), full_page=True)
    assert faults_at_every_size(page) == [], name


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_person_with_timeline_proof_and_receipt(
    new_page, live_server, staff, settings, person, lang
):
    settings.JAWORT_DEMO = True
    tab = new_page(lang=lang)
    client = Client()
    client.force_login(staff("dpo"))
    name = django_settings.SESSION_COOKIE_NAME
    tab.context.add_cookies(
        [{"name": name, "value": client.cookies[name].value, "url": live_server.url}]
    )
    tab.goto(live_server.url + reverse("privacy:person", args=[person]))
    assert PHONE not in tab.content()
    tab.get_by_role("combobox").focus()
    tab.get_by_role("combobox").select_option("consent_proof")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")  # all by keyboard
    tab.wait_for_selector(".spans")
    assert tab.locator("ol.timeline").first.locator("li").count() == 3
    assert tab.locator(".spans rect.bar").count() == 2  # held, ended, holds again
    check(tab, f"person-{lang}")
    with tab.expect_download() as download:
        tab.locator("a[href$='/zip/']").first.click()
    assert download.value.suggested_filename.endswith(".zip")
    tab.locator("ol.timeline li:last-child a[href*='/consent/']").first.click()
    tab.wait_for_load_state()
    check(tab, f"proof-{lang}")
    tab.goto(live_server.url + reverse("privacy:requests") + "?span=weeks")
    check(tab, f"work-list-{lang}")
    record = ConsentRecord.objects.filter(state="given").get()
    token = sign_link("receipt", record.pk, timezone.now() + timedelta(days=1))
    tab.goto(live_server.url + reverse("receipt", args=[token]))
    check(tab, f"receipt-{lang}")
