"""The DPO's desk and the pages by link in a real browser: wide and narrow, light and dark."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from messengers.addresses import get_or_create_address
from messengers.models import Delivery
from privacy.access import Actor
from privacy.models import Controller, Request
from privacy.requests import actions, packing
from privacy.vault import new_subject
from tests.journeys.checks import faults_at_every_size
from tests.journeys.conftest import browser, new_page
from tests.privacy.requests_world import people
from tests.subscriptions.conftest import (
    chat,
    cheap_fingerprints,
    mail,
    newsletter,
    say,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True, databases=["default", "keystore"]),
]

NUMBERS = ("+4917604069001", "+4917604069002", "+4917604069003")
LOOK = os.environ.get("JAWORT_LOOK")  # a folder for pictures, for whoever works on these pages


@pytest.fixture
def dpo(staff, live_server, settings, tmp_path):
    settings.JAWORT_DEMO = True
    settings.JAWORT_EXPORT_DIR = tmp_path / "exports"
    Controller.objects.create(
        id=1, name="Verlag am Markt GmbH", address="Marktplatz 1\n12345 Musterstadt",
        email="post@example.org", imprint_url="https://example.org/impressum",
        dpo_contact="Dr. Änne Größer", authority="Landesbeauftragte", land="BE",
    )  # fmt: skip
    return staff("dpo")


@pytest.fixture
def page(new_page, live_server, dpo):
    def open_page(lang="de"):
        made = new_page(lang=lang)
        client = Client()
        client.force_login(dpo)
        name = django_settings.SESSION_COOKIE_NAME
        made.context.add_cookies(
            [{"name": name, "value": client.cookies[name].value, "url": live_server.url}]
        )
        return made

    return open_page


@pytest.fixture
def world(say, dpo, staff, mail):
    """Three people who subscribed: one asked, one was exported, one is to be erased."""
    officer = Actor.staff(dpo)
    for number in NUMBERS:
        say("START", sender=number)
        say("JA", sender=number)
    say("Wann kommt die Müllabfuhr in der Bäckergasse?", sender=NUMBERS[0])
    say("AUSKUNFT", sender=NUMBERS[0])
    say("AUSKUNFT", sender=NUMBERS[1])
    say("LÖSCHEN", sender=NUMBERS[2])
    asked, exported, erased = Request.objects.order_by("number")
    actions.note(request=asked, text="Hat auch angerufen.", actor=officer)
    actions.make_package(request=exported, actor=officer)
    letter = actions.open_request(
        subject=None, kind="access", origin="staff", verified=False,
        received_at=timezone.now() - timedelta(days=40), actor=officer,
    )  # fmt: skip
    get_or_create_address(mail, "kaethe@example.org", subject=exported.subject)
    more = {"origin": "chat", "verified": True, "actor": officer, "received_at": timezone.now()}
    wrong = actions.open_request(subject=asked.subject, kind="rectification", **more)
    actions.rectify(request=wrong, changes={"first_name": "Käthe"}, actor=officer)
    held = actions.open_request(subject=asked.subject, kind="restriction", **more)
    actions.complete(request=held, actor=officer)
    given = {"reasons": "Missbrauch", "evidence": "40 Anfragen im Mai"}
    actions.propose_refusal(
        request=letter, actor=Actor.staff(staff("dpo", email="b@b.de")), **given
    )
    return {
        "asked": asked, "exported": exported, "erased": erased, "letter": letter,
        "wrong": wrong, "held": held,
    }  # fmt: skip


def check(page, name):
    if LOOK:
        page.screenshot(path=str(Path(LOOK) / f"{name}.png"), full_page=True)
    assert faults_at_every_size(page) == [], name


def test_every_page_of_the_desk(page, live_server, world):
    tab = page()

    def see(name, *args, query=""):
        tab.goto(live_server.url + reverse(f"privacy:{name}", args=args) + query)
        check(tab, f"{name}-{len(query)}")

    see("requests")
    see("new_request")
    see("approvals")
    for name in ("asked", "exported", "erased", "letter", "wrong", "held"):
        tab.goto(live_server.url + reverse("privacy:request", args=[world[name].pk]))
        check(tab, f"request-{name}")
    see("confirm_erasure", world["erased"].pk)
    subject = world["asked"].subject
    see("person", subject)
    tab.get_by_role("combobox").select_option("consent_proof")
    tab.locator("form.card button[type=submit]").click()
    tab.wait_for_load_state()
    check(tab, "person-opened")
    tab.locator("a[href*='/consent/']").first.click()
    tab.wait_for_load_state()
    check(tab, "proof")
    see("people", query=f"?for={world['letter'].pk}")
    tab.locator("input[name=typed]").fill(NUMBERS[1])
    tab.get_by_role("combobox").select_option("request")
    tab.locator("form.card button[type=submit]").click()
    tab.wait_for_load_state()
    assert NUMBERS[1] not in tab.content().replace(f'value="{NUMBERS[1]}"', "")
    check(tab, "people-found")
    see("audit")
    tab.locator(".page-head button[type=submit]").click()
    tab.wait_for_load_state()
    check(tab, "audit-verified")
    see("retention")
    see("controller")


def test_a_package_and_an_erasure_are_seen_to_finish(page, live_server, world):
    tab = page("en")
    tab.goto(live_server.url + reverse("privacy:request", args=[world["asked"].pk]))
    tab.locator("form[action$='/package/make/'] button").click()
    tab.wait_for_selector("#packing progress")
    check(tab, "package-under-way")
    assert packing.pack(world["asked"].pk)
    tab.wait_for_selector("form[action$='/package/deliver/']")  # the page saw it by itself
    check(tab, "package-made")

    tab.goto(live_server.url + reverse("privacy:confirm_erasure", args=[world["erased"].pk]))
    tab.locator("form.card button.button-danger").click()
    tab.wait_for_selector("#steps")
    check(tab, "erasure-under-way")

    Delivery.objects.filter(status="queued").update(status="accepted")
    assert actions.complete_erasure(request=world["erased"]).value == "done"

    tab.wait_for_selector("#steps a.button")  # the page saw it by itself
    check(tab, "erasure-finished")
    tab.locator("#steps a.button").click()
    tab.wait_for_load_state()
    check(tab, "certificate")


def test_pages_by_link(new_page, live_server, world, dpo, settings):
    sent = []
    settings.ANSWER_SUBJECT = "tests.privacy.fake_people.answer"
    from tests.privacy import fake_people

    fake_people.sent = sent
    tab = new_page()
    officer = Actor.staff(dpo)

    def path():
        return live_server.url + "/privacy/" + sent[-1][2]["link"].partition("/privacy/")[2]

    actions.deliver_package(request=world["exported"], actor=officer)
    tab.goto(path())
    check(tab, "link-package")
    tab.locator("#code").fill("1")
    tab.locator("button[type=submit]").click()
    tab.wait_for_selector("#code_wrong")
    check(tab, "link-package-wrong-code")
    codes = [given["code"] for _, name, given in sent if name.endswith("package_code.txt")]
    tab.locator("#code").fill(codes[-1])
    with tab.expect_download() as download:
        tab.locator("button[type=submit]").click()
    assert download.value.suggested_filename == f"jawort-{world['exported'].number}.zip"
    tab.goto(path())
    check(tab, "link-gone")
    again = actions.open_request(
        subject=world["exported"].subject, kind="portability", origin="chat", verified=True,
        received_at=timezone.now(), actor=officer,
    )  # fmt: skip
    tab.goto(path())
    check(tab, "link-not-me")
    tab.locator("button[type=submit]").click()
    tab.wait_for_load_state()
    assert again.number in tab.content()
    letter = actions.open_request(
        subject=world["asked"].subject, kind="erasure", origin="staff", verified=False,
        received_at=timezone.now(), actor=officer,
    )  # fmt: skip
    actions.ask_identity(request=letter, actor=officer)
    tab.goto(path())
    check(tab, "link-proof")
    tab.locator("button[value=yes]").click()
    tab.wait_for_load_state()
    check(tab, "link-proof-done")
    actions.start_erasure(request=world["erased"], actor=officer)
    actions.complete_erasure(request=world["erased"])
    tab.goto(path())
    check(tab, "link-erased-soon")
    Delivery.objects.filter(status="queued").update(status="accepted")
    actions.complete_erasure(request=world["erased"])
    tab.goto(path())
    check(tab, "link-erased")
