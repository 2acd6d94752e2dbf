"""Signing in as staff do it: password, second factor set up, and the factor asked for again."""

import re
import time

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Page, expect

from tests.broadcasts.house import PASSWORD, make_channel, make_newsletter, make_staff
from tests.journeys.checks import accessibility_faults, scrolls_sideways
from tests.journeys.conftest import PHONE, NewPage

pytestmark = [pytest.mark.browser, pytest.mark.slow]
STEP_SECONDS = 30
AMPLE_SECONDS = 8


def code_of(secret: str) -> str:
    """What an authenticator app would show; a code about to run out is not begun with."""
    left = STEP_SECONDS - time.time() % STEP_SECONDS
    if left < AMPLE_SECONDS:
        time.sleep(left)
    return format_hotp_value(hotp_value(secret, int(time.time()) // STEP_SECONDS))


def enter_password(page: Page, origin: str, email: str) -> None:
    page.goto(f"{origin}/accounts/login/")
    page.fill("[name=login]", email)
    page.fill("[name=password]", PASSWORD)
    page.click(".form-actions button.button >> nth=0")


def is_good(page: Page, name: str) -> None:
    assert accessibility_faults(page) == [], name
    assert not scrolls_sideways(page), name


def test_second_factor_is_set_up_at_the_first_sign_in_and_asked_for_at_the_next(
    new_page: NewPage, live_server, transactional_db
):
    make_staff("editor", make_newsletter(channels=[make_channel()]))
    page = new_page(PHONE)
    enter_password(page, live_server.url, "editor@example.org")
    # To change a factor is to prove again who one is, even right after the sign-in.
    page.wait_for_url("**/reauthenticate/**")
    is_good(page, "prove again")
    page.fill("[name=password]", PASSWORD)
    page.click(".form-actions button")
    page.wait_for_url("**/2fa/totp/activate/**")
    expect(page.locator("img.qr")).to_be_visible()
    is_good(page, "activate")
    page.goto(f"{live_server.url}/desk/inbox/")
    page.wait_for_url("**/2fa/totp/activate/**")

    secret = page.input_value("#authenticator_secret")
    page.fill("[name=code]", code_of(secret))
    page.click(".form-actions button")
    page.wait_for_url(re.compile(r"/2fa/recovery-codes|/2fa/$"))
    is_good(page, "recovery codes")
    recovery = page.locator("textarea").input_value().split()
    page.goto(f"{live_server.url}/desk/inbox/")
    expect(page.locator("h1")).to_have_text(re.compile("Posteingang|Inbox"))

    again = new_page(PHONE)
    enter_password(again, live_server.url, "editor@example.org")
    again.wait_for_url("**/2fa/authenticate/**")
    is_good(again, "authenticate")
    again.fill("[name=code]", recovery[0])
    again.click("form.form .form-actions button >> nth=0")
    again.wait_for_url("**/desk/**")


def test_a_wrong_password_says_nothing_about_the_account(
    new_page: NewPage, live_server, transactional_db
):
    make_staff("editor")
    said = []
    for email in ("editor@example.org", "nobody@example.org"):
        page = new_page(PHONE)
        page.goto(f"{live_server.url}/accounts/login/")
        page.fill("[name=login]", email)
        page.fill("[name=password]", "quite wrong")
        page.click(".form-actions button.button >> nth=0")
        said.append(page.locator(".errorlist").all_inner_texts())
        is_good(page, "refused")

    assert said[0]
    assert said[0] == said[1]
