"""Records, companies, breaches and the suppression list in a browser: wide and narrow."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from messengers.channels import create_channel
from privacy.access import Actor
from privacy.models import Controller, Grant, ProcessingRecord
from privacy.records import documents, incidents
from privacy.records.processors import save_processor
from privacy.suppression import fingerprint, suppress
from tests.journeys.checks import faults_at_every_size
from tests.journeys.conftest import NARROWEST, browser, new_page
from tests.subscriptions.conftest import PHONE, chat, cheap_fingerprints, mail, newsletter, say

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True, databases=["default", "keystore"]),
]

LOOK = os.environ.get("JAWORT_LOOK")  # a folder for pictures, for whoever works on these pages
# Every text is the same length or shorter in English; that language is looked at by people only.
LANGUAGES = ["de", "en"] if LOOK else ["de"]
TEXTS = {
    "title": "Sicherungsband verloren",
    "what": "Ein Band fiel vom Wagen.",
    "message_de": "Eine Sicherung ist verloren. Rufen Sie uns an.",
    "message_en": "A backup is lost. Call us.",
}


@pytest.fixture
def dpo(staff, live_server, settings):
    settings.JAWORT_DEMO = True
    Controller.objects.create(
        pk=1, name="Verlag am Markt GmbH", address="Marktplatz 1\n12345 Musterstadt",
        email="post@example.org", imprint_url="https://example.org/impressum",
        dpo_contact="Dr. Änne Größer", authority="Landesbeauftragte", land="BE",
    )  # fmt: skip
    return staff("dpo")


@pytest.fixture
def tab_of(new_page, live_server, dpo):
    def open_tab(lang):
        made, client = new_page(lang=lang), Client()
        client.force_login(dpo)
        name = django_settings.SESSION_COOKIE_NAME
        cookie = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
        made.context.add_cookies([cookie])
        return made

    return open_tab


def check(tab, name, lang):
    if LOOK:
        tab.screenshot(path=str(Path(LOOK) / f"{name}-{lang}.png"), full_page=True)
        wide = tab.viewport_size
        tab.set_viewport_size(NARROWEST)
        tab.screenshot(path=str(Path(LOOK) / f"{name}-{lang}-narrow.png"), full_page=True)
        tab.set_viewport_size(wide)
    assert faults_at_every_size(tab) == [], name


@pytest.fixture
def world(dpo, say):
    """A subscriber, a company without its contract, a suppression, two versions, an open breach."""
    officer = Actor.staff(dpo)
    say("START", sender=PHONE)
    say("JA", sender=PHONE)
    suppress(fingerprint("simulator", PHONE), "simulator", reason="objected")
    documents.store(kind="controller", actor=officer)
    documents.store(kind="assessment", actor=officer)
    facts = {"service": "hosting", "name": "Rechenzentrum Nordwest GmbH & Co. KG", "country": "US"}
    more = {"role": "processor", "transfer": "dpf", "retention": "30 Tage"}
    save_processor(processor=None, facts=facts | more, actor=officer)
    documents.store(kind="controller", actor=officer)
    create_channel(kind="simulator", name="Bote", settings={}, secrets={}, actor=officer)
    aware_at = timezone.now() - timedelta(hours=50)
    made = incidents.open_incident(aware_at=aware_at, texts=TEXTS, actor=officer)
    incidents.add_scope(incident=made, kind="backup", until=timezone.now(), actor=officer)
    incidents.decide(incident=made, risk="high", reasons="Schlüssel lagen bei.", actor=officer)
    Grant.objects.create(user=dpo, role="administrator")  # to see the channel's own page, too
    return made


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_page_of_the_records(tab_of, live_server, world, lang):
    tab = tab_of(lang)

    def see(name, *args, picture=""):
        tab.goto(live_server.url + reverse(name, args=args))
        check(tab, picture or name.partition(":")[2], lang)

    see("privacy:records")
    see("privacy:processors")
    if LOOK:  # made of the same blocks; axe reads every line of the long ones
        see("privacy:requests")
        see("privacy:record", "controller")
        see("privacy:record", "assessment", picture="assessment")
        see("privacy:record_version", "controller", 2)
        see("privacy:record_text", "conclusion")
        see("privacy:new_processor")
        see("privacy:incidents")
        see("privacy:new_incident")
        see("channel_new", "simulator", picture="channel-new")
    see("privacy:suppression")
    tab.locator("input[name=typed]").fill(PHONE)
    tab.get_by_role("combobox").select_option("request")
    tab.locator("form.form button[type=submit]").click()
    tab.wait_for_load_state()
    check(tab, "suppression-found", lang)
    assert PHONE not in tab.content().replace(f'value="{PHONE}"', "")
    see("privacy:incident", world.pk)
    assert ProcessingRecord.objects.count() == 3
