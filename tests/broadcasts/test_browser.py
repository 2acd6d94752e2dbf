"""The desk in a real browser: what happens while somebody writes, sends and watches."""

import re

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from broadcasts import actions
from broadcasts.models import Broadcast
from privacy.access import Actor
from tests.broadcasts.house import (
    make_channel,
    make_draft,
    make_newsletter,
    make_staff,
    subscribe,
)
from tests.broadcasts.pictures import jpeg_with_place
from tests.broadcasts.test_actions import settle_all
from tests.journeys.checks import faults_at_every_size
from tests.journeys.conftest import DESKTOP, browser, new_page

__all__ = ["browser", "new_page"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def newsroom(transactional_db, settings, media_folder):
    settings.JAWORT_DEMO = True
    chat, mail = make_channel(), make_channel("email", "E-Mail")
    newsletter = make_newsletter(channels=[chat, mail])
    for number in range(5):
        subscribe(newsletter, mail if number == 4 else chat, number, topics=["sport"])
    subscribe(newsletter, chat, 9, topics=["lokales"])
    return newsletter


@pytest.fixture
def publisher(newsroom):
    return make_staff(newsletter=newsroom)


@pytest.fixture
def enter(live_server, publisher, new_page):
    """Opens a page of the desk as somebody who has signed in."""
    client = Client()
    client.force_login(publisher)
    name = django_settings.SESSION_COOKIE_NAME

    def open_at(path, size=DESKTOP, **options):
        page = new_page(size, **options)
        cookie = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
        page.context.add_cookies([cookie])
        page.goto(live_server.url + path)
        return page

    return open_at


def test_while_writing_preview_and_count_follow(enter, newsroom):
    page = enter(reverse("broadcast_new"), lang="en")
    expect(page.locator("#reach")).to_contain_text("6 people")

    page.get_by_label("Title").fill("Derby")
    page.get_by_label("Text", exact=True).fill("Hallo {first_name|Fan}, **Tor**!")
    expect(page.locator(".bubble").first).to_contain_text("Hallo Petra, Tor!")
    expect(page.locator(".bubble strong").first).to_have_text("Tor")
    frame = page.frame_locator("#preview iframe")
    expect(frame.locator("body")).to_contain_text("Hallo Petra, Tor!")
    page.get_by_label("Text", exact=True).fill("{first_nam|Fan}")
    expect(page.locator("#preview .errorlist").first).to_contain_text("first_nam")

    page.get_by_label("Only those whom I choose").check()
    page.get_by_text("Choose by topic, language").click()
    page.get_by_label("Sport").check()
    expect(page.locator("#reach")).to_contain_text("5 people, 2 batches")
    page.get_by_label("Text", exact=True).fill("Hallo {first_name|Fan}!")
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_role("heading", name="Derby", exact=True)).to_be_visible()
    assert Broadcast.objects.get().audience == {"all": [{"topic": ["sport"]}]}


def test_from_the_draft_to_the_results(enter, newsroom, publisher):
    draft = make_draft(newsroom, Actor.staff(publisher))
    page = enter(reverse("broadcast", kwargs={"pk": draft.pk}), lang="en")

    page.get_by_role("link", name="Send …").click()
    page.get_by_role("button", name="Send to 6 people").click()
    expect(page.locator("#progress")).to_contain_text("0 of 6")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()

    draft.refresh_from_db()
    settle_all(draft, *["delivered"] * 5, "in_doubt", cause="worker_lost")
    actions.follow_dispatches(timezone.now())
    expect(page.locator("#progress")).to_contain_text("6 of 6", timeout=10_000)
    expect(page.locator("#results")).to_contain_text("interrupted between question and answer")
    assert page.locator("[hx-trigger]").count() == 0

    page.get_by_role("link", name="Look at them and decide").click()
    page.get_by_role("button", name="It did not come").click()
    expect(page.get_by_text("Nothing is in doubt")).to_be_visible()


def pages_of(newsroom, publisher):
    """Every page of the desk with something on it."""
    me = Actor.staff(publisher)
    picture = actions.add_picture(newsletter=newsroom, upload=jpeg_with_place((640, 480)), actor=me)
    draft = make_draft(
        newsroom,
        me,
        image=picture,
        image_alt="Die Brücke",
        buttons=[{"label": "Zur Karte", "url": "https://example.org/karte"}],
    )
    running = actions.start(make_draft(newsroom, me), actor=me, idempotency_key="running")
    done = actions.start(make_draft(newsroom, me), actor=me, idempotency_key="done")
    settle_all(done, "read", "delivered", "accepted", "failed", "in_doubt", "suppressed")
    actions.follow_dispatches(timezone.now())
    planned = make_draft(newsroom, me, title="Später")
    actions.schedule(broadcast=planned, local_time="2027-03-01T07:30", actor=me)
    routes = [
        ("broadcast", draft), ("broadcast_edit", draft), ("broadcast_send", draft),
        ("broadcast_schedule", draft), ("broadcast_delete", draft), ("broadcast", planned),
        ("broadcast", running), ("broadcast_cancel", running), ("broadcast", done),
        ("broadcast_doubts", done),
    ]  # fmt: skip
    rows = [reverse(name, kwargs={"pk": row.pk}) for name, row in routes]
    return [reverse("desk"), reverse("desk") + "?q=nothing", reverse("broadcast_new"), *rows]


def test_every_page_is_for_everybody(enter, newsroom, publisher, live_server):
    found = {}
    page = enter(reverse("desk"))
    for path in pages_of(newsroom, publisher):
        page.goto(live_server.url + path)
        if "preview" in page.content():
            page.wait_for_timeout(300)
        name = re.sub(r"[0-9a-f-]{36}", "…", path)
        found[name] = faults_at_every_size(page)

    assert {name: faults for name, faults in found.items() if faults} == {}
