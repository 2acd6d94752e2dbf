"""A browser for whole stories: an installed Chromium, driven by Playwright, and nothing else.

Without Chromium these tests are skipped by name; in CI that is a failure, because there the browser
is installed and a skip would hide everything.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from tests.journeys.checks import NARROWEST, PHONE, Watch

__all__ = ["NARROWEST", "PHONE"]

# The shell is the same browser without its own windows, menus and tabs: a third less work.
CHROMIUM = (
    os.environ.get("JAWORT_CHROMIUM")
    or shutil.which("chromium-headless-shell")
    or shutil.which("chromium")
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
DESKTOP: ViewportSize = {"width": 1280, "height": 900}

# Playwright keeps an event loop in this thread; Django would refuse the database beside it.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


# Not for the session: its event loop would stay in the thread, and others want one of their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing: .ci/run installs it, so something went wrong there.")
        pytest.skip("Chromium is missing: browser tests need it (Debian: chromium-headless-shell).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


NewPage = Callable[..., Page]


@pytest.fixture
def new_page(browser: Browser) -> Iterator[NewPage]:
    """Opens pages, each in a context of its own; at the end no page may have been unhappy.

    Unhappy: an error in the console (a broken content policy says so there), a request to another
    host, a failed request.
    """
    contexts: list[BrowserContext] = []
    watches: list[Watch] = []

    def open_page(size: ViewportSize = DESKTOP, scheme: str = "light", lang: str = "de") -> Page:
        context = browser.new_context(
            viewport=size,
            color_scheme=scheme,  # type: ignore[arg-type]
            locale=lang,
            has_touch=size["width"] < 600,
            reduced_motion="reduce",  # colours change at once, and are judged as they stay
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        watches.append(Watch(page))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [said for watch in watches for said in watch.complaints] == []


@pytest.fixture(scope="session")
def pictures() -> Path | None:
    """Where screenshots go, if they are asked for: `JAWORT_SCREENSHOTS=1 pytest tests/journeys`."""
    if not os.environ.get("JAWORT_SCREENSHOTS"):
        return None
    folder = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
