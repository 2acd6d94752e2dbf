"""Every page of ours in a real browser: light and dark, from a desk to the narrowest phone."""

import itertools
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from privacy.models import Grant, User
from privacy.vault import sign_link
from subscriptions.actions import keep_reply, questions
from subscriptions.actions import opt_in as opt_in_actions
from subscriptions.actions.wordings import publish_defaults
from subscriptions.models import Segment
from tests.broadcasts.house import SYSTEM, make_channel, make_newsletter, make_staff, subscribe
from tests.journeys.checks import (
    accessibility_faults,
    faults_at_every_size,
    scrolls_sideways,
)
from tests.journeys.conftest import DESKTOP, NARROWEST, PHONE, NewPage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RULE = {"all": [{"topic": ["sport"]}, {"any": [{"not": {"language": ["en"]}}]}]}
# Kept as pictures for the manual, when asked for.
PICTURED = {"newsletter", "confirm", "preferences", "inbox", "subscribers", "segment", "imports"}


@pytest.fixture
def newsroom(transactional_db, settings, monkeypatch):
    """A newsletter on two messengers with readers, replies and a segment; name -> path."""
    settings.JAWORT_DEMO = True
    tokens: list[str] = []
    make = questions.new_token
    monkeypatch.setattr(questions, "new_token", lambda: tokens.append(make()) or tokens[-1])
    chat, mail = make_channel(settings={"number": "+4930123456"}), make_channel("email", "E-Mail")
    newsletter = make_newsletter(channels=[chat, mail], is_public=True)
    publish_defaults(newsletter=newsletter, channels=[chat, mail], actor=SYSTEM)
    opt_in_actions.ask_by_form(
        newsletter=newsletter, channel=mail, identifier="leser@example.org", language="de"
    )
    readers = [subscribe(newsletter, chat, n, topics=["sport"] if n % 2 else []) for n in range(6)]
    for reader, text in zip(readers, ["Danke 👍", "Stopp den Krieg!", "Wann? " * 40], strict=False):
        keep_reply(
            address=reader.address,
            text=text,
            received_at=timezone.now(),
            newsletter=newsletter,
            asks_stop=text.startswith("Stopp"),
        )
    segment = Segment.objects.create(newsletter=newsletter, name="Sport", rule=RULE)
    later, reader = timezone.now() + timedelta(days=1), readers[0]
    desk = f"/desk/newsletters/{newsletter.pk}/"
    return {
        "start": "/",
        "sign-in": "/accounts/login/",
        "newsletter": "/n/stadtanzeiger/",
        "asked": "/n/stadtanzeiger/asked/",
        "confirm": f"/c/{tokens[0]}/",
        "preferences": f"/p/{sign_link('preferences', reader.pk, later)}/",
        "unsubscribe": f"/u/{sign_link('unsubscribe', reader.pk, None)}/",
        "notice": f"/notice/{newsletter.notices.get(language='de').pk}/",
        "data": "/data/",
        "data-confirm": f"/data/erasure/{sign_link('data-erasure', reader.address_id, later)}/",
        "dead-link": "/u/nonsense/",
        "inbox": "/desk/inbox/",
        "subscribers": "/desk/subscribers/",
        "segments": "/desk/segments/",
        "segment": f"/desk/segments/{segment.pk}/",
        "imports": "/desk/imports/new/",
        "newsletters": "/desk/newsletters/",
        "settings": desk,
        "topics": f"{desk}topics/",
        "words": f"{desk}words/",
        "texts": f"{desk}texts/",
        "text": f"{desk}texts/simulator/de/",
        "notice-text": f"{desk}texts/notice/de/",
        "sign-up": f"{desk}page/",
        "staff": "/staff/",
        "staff-new": "/staff/new/",
        "tokens": "/staff/tokens/",
        "token-new": "/staff/tokens/new/",
        "second-factor": "/accounts/2fa/",
        "password": "/accounts/password/change/",
    }


@pytest.fixture
def everyone(newsroom) -> User:
    """Somebody with every role, to see every page."""
    user = make_staff("administrator")
    for role in (Grant.Role.PUBLISHER, Grant.Role.DPO):
        Grant.objects.create(user=user, role=role)
    return user


def sign_in(page: Page, origin: str, user: User) -> None:
    client = Client()
    client.force_login(user)
    name = django_settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": origin}])


def test_every_page_is_for_everybody(new_page: NewPage, live_server, newsroom, everyone, pictures):
    """Labels, contrast, order of headings, nothing cut off, nothing the policy forbids."""
    page = new_page()
    faults: dict[str, list[str]] = {}
    for name, path in newsroom.items():
        if name == "inbox":
            sign_in(page, live_server.url, everyone)
        answer = page.goto(live_server.url + path)
        assert answer is not None
        assert answer.status in {200, 404}, name
        faults[name] = faults_at_every_size(page)
        if pictures and name in PICTURED:
            take_pictures(page, pictures / name)

    assert {name: found for name, found in faults.items() if found} == {}


def take_pictures(page: Page, name: Path) -> None:
    page.screenshot(path=f"{name}-desk.png", full_page=True)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE)
    page.screenshot(path=f"{name}-phone-dark.png", full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESKTOP)


def test_the_checks_see_a_bad_page(new_page: NewPage):
    page = new_page(NARROWEST)
    page.set_content("<body><img src='data:,'><input><div style='width:2000px'>wide</div></body>")

    found = " ".join(accessibility_faults(page))

    for rule in ("html-has-lang", "document-title", "image-alt", "label"):
        assert rule in found
    assert scrolls_sideways(page)


def test_segment_is_built_by_clicks_and_the_count_follows(
    new_page: NewPage, live_server, newsroom, everyone
):
    page = new_page(DESKTOP)
    sign_in(page, live_server.url, everyone)
    page.goto(live_server.url + newsroom["segments"])
    expect(page.locator("td.num span")).to_have_text("3")
    page.click(".page-head .button")
    page.fill("[name=name]", "Nur Sport")
    expect(page.locator("#reach b")).to_have_text("6")

    page.click("button[value='row:r']")
    page.check("[name='r.0.topic'][value=sport]")
    expect(page.locator("#reach b")).to_have_text("3")
    page.select_option("[name='r.0.not']", "not")
    expect(page.locator("#reach b")).to_have_text("3")
    page.click("button[value='drop:r.0']")
    expect(page.locator("#reach b")).to_have_text("6")
    page.click("button[value='row:r']")
    page.check("[name='r.0.topic'][value=sport]")
    page.click("button[name=save]")

    page.wait_for_url("**/desk/segments/")
    assert Segment.objects.get(name="Nur Sport").rule == {"all": [{"topic": ["sport"]}]}


def test_keyboard_reaches_the_content_first_and_sees_where_it_is(
    new_page: NewPage, live_server, newsroom
):
    page = new_page(DESKTOP)
    page.goto(live_server.url + newsroom["newsletter"])

    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    expect(skip).to_have_class("skip-link")
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    seen = []
    for _ in itertools.repeat(None, 4):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"))

    assert page.evaluate("document.activeElement.closest('main') !== null")
    assert set(seen) == {"solid"}


def test_a_reader_signs_up_without_script_and_cookie(new_page: NewPage, live_server, newsroom):
    page = new_page(PHONE)
    page.goto(live_server.url + newsroom["newsletter"])

    page.fill("input[name$=address]", "neu@example.org")
    page.click("form .button-big")

    page.wait_for_url("**/asked/**")
    assert page.context.cookies() == []
    assert page.locator("script").count() == 0


LIST = "Telefon;Einwilligung am;Quelle\n+49 176 04069001;01.02.2024;Formular\n0176 99;;\n"


def test_a_list_is_checked_loaded_and_left_to_the_officer(
    new_page: NewPage, live_server, newsroom, everyone
):
    page = new_page(PHONE)
    sign_in(page, live_server.url, everyone)
    page.goto(live_server.url + newsroom["imports"])
    page.select_option("[name=channel]", label="Simulator")
    page.set_input_files(
        "[name=file]", {"name": "leute.csv", "mimeType": "text/csv", "buffer": LIST.encode()}
    )
    page.click("form.card button.button >> nth=0")
    expect(page.locator(".stats b").nth(1)).to_have_text("1")

    page.click("form[action$='/load/'] button")
    expect(page.locator(".badge-wait")).to_be_visible()

    assert page.locator("form[action$='/approve/']").count() == 0
    assert accessibility_faults(page) == []
    assert not scrolls_sideways(page)
