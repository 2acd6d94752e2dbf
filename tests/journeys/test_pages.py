"""Every page of the staff's frame in a real browser: light and dark, wide and narrow."""

import pytest
from django.conf import settings as django_settings
from django.test import Client

from privacy.models import Grant, User
from tests.journeys.checks import accessibility_faults, scrolls_sideways
from tests.journeys.conftest import DESKTOP, NARROWEST, PHONE, NewPage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SIZES = [(DESKTOP, "light"), (PHONE, "dark"), (NARROWEST, "light")]


@pytest.fixture
def administrator(transactional_db) -> User:
    user = User.objects.create_user("ada@example.org", "a long enough one", name="Ada Admin")
    Grant.objects.create(user=user, role=Grant.Role.ADMINISTRATOR)
    return user


def sign_in(page, live_server, user: User) -> None:
    client = Client()
    client.force_login(user)
    name = django_settings.SESSION_COOKIE_NAME
    value = client.cookies[name].value
    page.context.add_cookies([{"name": name, "value": value, "url": live_server.url}])


@pytest.mark.parametrize(("size", "scheme"), SIZES)
def test_staff_pages(new_page: NewPage, live_server, settings, administrator, size, scheme):
    settings.JAWORT_DEMO = True
    page = new_page(size, scheme)
    sign_in(page, live_server, administrator)
    for path in [
        "/staff/",
        "/staff/new/",
        f"/staff/{administrator.pk}/",
        "/staff/tokens/",
        "/staff/tokens/new/",
        "/accounts/2fa/",
        "/accounts/2fa/totp/activate/",
        "/accounts/password/change/",
    ]:
        page.goto(live_server.url + path)
        name = path.strip("/").replace("/", "-")
        page.screenshot(
            path=f"/tmp/jawort/h7/shots/{name}-{size['width']}-{scheme}.png", full_page=True
        )
        assert not scrolls_sideways(page), path
        assert accessibility_faults(page) == [], path
