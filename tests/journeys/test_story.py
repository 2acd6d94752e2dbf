"""The whole story in a browser: a phone in one window, the desk in the next.

It plays against a Jawort of its own, started as `make run` starts it; with JAWORT_STORY_ORIGIN (and
the sign-ins in JAWORT_STORY_SIGN_INS) against one that runs already.
"""

import os
import random
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import pytest
from playwright.sync_api import Locator, Page, expect

from config.story.system import System, own_system, sign_ins_in
from tests.clusters import in_memory
from tests.journeys.checks import accessibility_faults, scrolls_sideways
from tests.journeys.conftest import DESKTOP, PHONE, NewPage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TITLE = "Brücke am Markt wieder offen"
TEXT = (
    "**{first_name|Liebe Leserin}, die Brücke am Markt ist wieder offen.**\n\n"
    "Seit heute früh rollt der Verkehr in beide Richtungen."
)
# What the tests, or whoever started them, may have set for this project.
OURS = ("JAWORT_", "DJANGO_", "SECRET_KEY", "DATABASE_", "KEYSTORE_", "CELERY_")
SOON = 60_000  # milliseconds in which an answer must be there
LATER = 90_000  # an erasure scans everything


@pytest.fixture(scope="module")
def house(browser) -> Iterator[System]:
    given = os.environ.get("JAWORT_STORY_ORIGIN")
    if given:
        yield System(given, sign_ins_in(os.environ.get("JAWORT_STORY_SIGN_INS", "")))
    else:
        with ExitStack() as stack:
            with patch.dict(os.environ):
                _forget_the_tests()
                system = stack.enter_context(own_system(in_memory() or "/var/tmp"))
            yield system


def _forget_the_tests() -> None:
    """A house starts as on a fresh machine: not with the settings and keys of the tests."""
    for name in list(os.environ):
        if name.startswith(OURS):
            del os.environ[name]


class Album:
    """Looks at a page as everybody must be able to, and keeps its picture if pictures are asked."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def look(self, page: Page, name: str, *, whole: bool = True) -> None:
        page.wait_for_load_state()
        expect(page.locator("main h1, .handset h1").first).to_be_visible(timeout=SOON)
        assert not scrolls_sideways(page), name
        assert accessibility_faults(page) == [], name
        if self.folder:
            page.screenshot(path=self.folder / f"{name}.png", full_page=whole)


@pytest.fixture
def album(pictures) -> Album:
    return Album(pictures)


class Handset:
    """The simulator's phone, held by one reader."""

    def __init__(self, page: Page, origin: str, number: str, name: str) -> None:
        self.page = page
        page.goto(f"{origin}/simulator/")
        page.fill("[name=number]", number)
        page.fill("[name=name]", name)
        page.click(".form-actions .button")
        page.wait_for_selector("#chat")

    def write(self, text: str, answer: str) -> Locator:
        """Write and wait for the answer that holds `answer`; the newest bubble with it."""
        self.page.fill("#text", text)
        self.page.press("#text", "Enter")
        return self.sees(answer)

    def sees(self, words: str) -> Locator:
        bubble = self.page.locator(".bubble-theirs", has_text=words).first
        expect(bubble).to_be_visible(timeout=SOON)
        return bubble

    def count(self) -> int:
        return self.page.locator(".bubble-theirs").count()


def sign_in(page: Page, house: System, role: str) -> Page:
    email, password = house.sign_ins[role]
    page.goto(f"{house.origin}/accounts/login/")
    page.fill("[name=login]", email)
    page.fill("[name=password]", password)
    page.click(".form-actions button.button >> nth=0")
    page.wait_for_url(lambda url: "/accounts/login" not in url)
    return page


def send_broadcast(page: Page, house: System, album: Album) -> None:
    page.goto(f"{house.origin}/desk/new/?newsletter=stadtanzeiger")
    page.fill("[name=title]", TITLE)
    page.fill("[name=markdown]", TEXT)
    expect(page.locator("#preview .bubble").first).to_contain_text("Brücke", timeout=SOON)
    expect(page.locator("#reach")).to_contain_text(re.compile(r"\d"), timeout=SOON)
    album.look(page, "compose")
    page.click("#broadcast-form .form-actions button")
    page.wait_for_selector("a[href$='/send/']")
    album.look(page, "draft")
    page.click("a[href$='/send/']")
    page.click("form.form-actions button.button-big")
    bar = page.locator("progress")
    expect(bar).to_be_visible(timeout=SOON)
    page.wait_for_selector("#progress:not([hx-get])", timeout=LATER)  # it no longer asks again
    page.reload()
    assert bar.get_attribute("value") == bar.get_attribute("max")
    album.look(page, "results")


def request_number(bubble: Locator) -> str:
    found = re.search(r"\d{4}-\d{4,}", bubble.inner_text())
    assert found, "the answer names no number"
    return found.group()


def open_request(page: Page, house: System, number: str) -> None:
    page.goto(f"{house.origin}/privacy/requests/?show=all")
    page.click(f"a:has-text('{number}')")
    page.wait_for_load_state()


def test_from_start_to_certificate(new_page: NewPage, house: System, album: Album):
    number = f"+49 221 4710{random.SystemRandom().randrange(1000):03d}"
    phone = Handset(new_page(PHONE), house.origin, number, "Jana Leserin")
    question = phone.write("START", "JA")
    assert "Datenschutz" in question.inner_text()
    album.look(phone.page, "phone-question", whole=False)
    phone.write("JA", "Sie bekommen jetzt")
    album.look(phone.page, "phone-welcome", whole=False)

    editor = sign_in(new_page(DESKTOP), house, "editor")
    send_broadcast(editor, house, album)
    news = phone.sees("Brücke am Markt")
    assert "Jana, die Brücke" in news.inner_text()
    album.look(phone.page, "phone-news", whole=False)

    access = request_number(phone.write("AUSKUNFT", "Nummer"))
    phone.write("STOP", "abgemeldet")
    after_stop = phone.count()

    officer = sign_in(new_page(DESKTOP), house, "dpo")
    open_request(officer, house, access)
    officer.click("form[action$='/package/make/'] button")
    officer.click("form[action$='/package/deliver/'] button")
    officer.wait_for_load_state()
    album.look(officer, "request")
    package = phone.page.locator(".bubble-theirs a[href*='/privacy/answer/']").first
    expect(package).to_be_visible(timeout=SOON)
    assert phone.count() == after_stop + 1

    erasure = request_number(phone.write("LÖSCHEN", "Löschung"))
    open_request(officer, house, erasure)
    officer.click("a[href$='/erase/']")
    officer.wait_for_url("**/erase/")
    album.look(officer, "erase")
    officer.click("form[action$='/erase/now/'] button.button-danger")
    certificate = officer.locator("a[href*='/certificates/']").first
    for _ in range(LATER // 3_000):
        if certificate.is_visible():
            break
        officer.wait_for_timeout(3_000)
        officer.reload()
    certificate.click()
    officer.wait_for_load_state()
    assert number.replace(" ", "")[-7:] not in officer.content()
    album.look(officer, "certificate")

    officer.goto(f"{house.origin}/privacy/audit/")
    officer.click("form[action$='/audit/verify/'] button")
    expect(officer.locator(".note-good")).to_be_visible(timeout=LATER)
    album.look(officer, "audit")
