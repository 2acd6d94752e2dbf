"""The life of one house: the whole story in a browser, then a kill at every turn.

The story has a phone in one window and the desk in the next. It plays against a Jawort of its own,
started by `manage.py run`; with JAWORT_STORY_ORIGIN (and the sign-ins in JAWORT_STORY_SIGN_INS)
against one that runs already.
"""

import os
import random
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from config.embedded.home import DATABASE, OWNER
from config.embedded.processes import marked
from config.story.system import System, sign_ins_in
from tests.houses import PATIENCE_SECONDS, RunningHouse, eventually, free_port, running_house
from tests.journeys.checks import accessibility_faults, scrolls_sideways
from tests.journeys.conftest import DESKTOP, PHONE, NewPage

pytestmark = pytest.mark.slow

TITLE = "Brücke am Markt wieder offen"
TEXT = (
    "**{first_name|Liebe Leserin}, die Brücke am Markt ist wieder offen.**\n\n"
    "Seit heute früh rollt der Verkehr in beide Richtungen."
)
SOON = 60_000  # milliseconds in which an answer must be there
LATER = 90_000  # an erasure scans everything


@pytest.fixture(scope="module")
def house() -> Iterator[RunningHouse | None]:
    """One for all that is told here, because a first start takes seconds."""
    if os.environ.get("JAWORT_STORY_ORIGIN"):
        yield None
    else:
        with running_house() as ours:
            yield ours


@pytest.fixture
def system(house: RunningHouse | None) -> System:
    if house:
        return house.as_system()
    sign_ins = os.environ.get("JAWORT_STORY_SIGN_INS", "")
    return System(os.environ["JAWORT_STORY_ORIGIN"], sign_ins_in(sign_ins))


class Album:
    """Keeps pictures of the pages, if they are asked for, and sees that nothing is cut off.

    What else a page owes to everybody is asked of the phone here, and of the desk's pages in the
    browser tests of their rooms.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def look(self, page: Page, name: str, *, whole: bool = True) -> None:
        page.wait_for_load_state()
        expect(page.locator("main h1, .handset h1").first).to_be_visible(timeout=SOON)
        assert not scrolls_sideways(page), name
        if not whole:
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


def sign_in(page: Page, system: System, role: str) -> Page:
    email, password = system.sign_ins[role]
    page.goto(f"{system.origin}/accounts/login/")
    page.fill("[name=login]", email)
    page.fill("[name=password]", password)
    page.click(".form-actions button.button >> nth=0")
    page.wait_for_url(lambda url: "/accounts/login" not in url)
    return page


def send_broadcast(page: Page, system: System, album: Album) -> None:
    page.goto(f"{system.origin}/desk/new/?newsletter=stadtanzeiger")
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


def open_request(page: Page, system: System, number: str) -> None:
    page.goto(f"{system.origin}/privacy/requests/?show=all")
    page.click(f"a:has-text('{number}')")
    page.wait_for_load_state()


@pytest.mark.browser
def test_from_start_to_certificate(new_page: NewPage, system: System, album: Album):
    number = f"+49 221 4710{random.SystemRandom().randrange(1000):03d}"
    phone = Handset(new_page(PHONE), system.origin, number, "Jana Leserin")
    question = phone.write("START", "JA")
    assert "Datenschutz" in question.inner_text()
    album.look(phone.page, "phone-question", whole=False)
    phone.write("JA", "Sie bekommen jetzt")
    album.look(phone.page, "phone-welcome", whole=False)

    editor = sign_in(new_page(DESKTOP), system, "editor")
    send_broadcast(editor, system, album)
    news = phone.sees("Brücke am Markt")
    assert "Jana, die Brücke" in news.inner_text()
    album.look(phone.page, "phone-news", whole=False)

    access = request_number(phone.write("AUSKUNFT", "Nummer"))
    phone.write("STOP", "abgemeldet")
    after_stop = phone.count()

    officer = sign_in(new_page(DESKTOP), system, "dpo")
    open_request(officer, system, access)
    officer.click("form[action$='/package/make/'] button")
    officer.click("form[action$='/package/deliver/'] button")
    officer.wait_for_load_state()
    album.look(officer, "request")
    package = phone.page.locator(".bubble-theirs a[href*='/privacy/answer/']").first
    expect(package).to_be_visible(timeout=SOON)
    assert phone.count() == after_stop + 1

    erasure = request_number(phone.write("LÖSCHEN", "Löschung"))
    open_request(officer, system, erasure)
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

    officer.goto(f"{system.origin}/privacy/audit/")
    officer.click("form[action$='/audit/verify/'] button")
    expect(officer.locator(".note-good")).to_be_visible(timeout=LATER)
    album.look(officer, "audit")


def test_the_life_of_a_house(house: RunningHouse | None):
    """One test, because each start costs seconds: a life in order, with a kill at every turn."""
    if house is None:
        pytest.skip("The house of JAWORT_STORY_ORIGIN is not ours to kill.")
    first, var = house, house.var
    assert first.is_ready()
    with first.cluster("data").connect(DATABASE, OWNER) as database:
        database.execute("CREATE TABLE kept (word text)")
        database.execute("INSERT INTO kept VALUES ('Jawort')")

    # A second start beside it says one sentence and touches nothing.
    second = RunningHouse(var, free_port())
    assert second.process.communicate(timeout=PATIENCE_SECONDS)[0].splitlines() == [
        f"Jawort cannot start: Jawort already runs on {var}: use it, or stop it first."
    ]
    assert second.process.returncode == 1
    assert first.is_ready()

    # A program that dies is started again.
    [web] = [pid for pid in first.programs() if is_granian_chief(pid)]
    os.kill(web, signal.SIGKILL)
    assert eventually(lambda: any(is_granian_chief(pid) for pid in first.programs() if pid != web))
    assert eventually(first.is_ready)

    # So is a server.
    chief = first.cluster("keystore")._postmaster()
    os.kill(chief, signal.SIGKILL)
    assert eventually(lambda: first.cluster("keystore")._postmaster() not in (0, chief))
    assert eventually(first.is_ready)

    # Killed all at once, but for one program that lives on: the next start recovers, finds the
    # data and ends what was left behind, and only that.
    stranger = subprocess.Popen(["sleep", "600"])
    orphan = next(pid for pid in first.programs() if is_beat(pid))
    first.kill_everything(but=orphan)
    assert eventually(lambda: first.programs() == [orphan])  # the dead take a moment to go
    third = RunningHouse(var, free_port()).wait_ready()
    assert third.is_ready()
    with third.cluster("data").connect(DATABASE) as database:
        assert database.execute("SELECT word FROM kept").fetchone() == ("Jawort",)
    assert not Path(f"/proc/{orphan}").exists()
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()

    # Ctrl-C: no process of ours is left, neither program nor server.
    token = third.token
    assert "All data are kept." in third.end()
    assert third.process.returncode == 0
    assert list(marked(token)) == []
    assert third.servers() == []


def is_beat(pid: int) -> bool:
    return b"beat" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def is_granian_chief(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        return (
            b"granian" in words and b"granian" not in Path(f"/proc/{parent}/cmdline").read_bytes()
        )
    except OSError:
        return False
