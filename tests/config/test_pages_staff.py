"""The start page, and the administrator's pages about staff and tokens."""

import re

import pytest
from django.test import Client

from privacy.access import authenticate_token
from privacy.models import ApiToken, AuditEntry, Grant, User
from tests.broadcasts.house import make_channel, make_newsletter, make_staff

pytestmark = pytest.mark.django_db
NEW = {"email": "Neu@Example.org", "name": "Nele Neu", "language": "de"}
SECRET = re.compile(r'<code class="secret">([^<]+)</code>')


@pytest.fixture(autouse=True)
def demo(settings):
    settings.JAWORT_DEMO = True


@pytest.fixture
def newsletter(db):
    return make_newsletter(channels=[make_channel()], is_public=True)


@pytest.fixture
def boss(db):
    return make_staff("administrator", email="boss@example.org", name="Bo Boss")


@pytest.fixture
def admin(boss):
    client = Client()
    client.force_login(boss)
    return client


def signed_in(role, newsletter=None):
    client = Client()
    client.force_login(make_staff(role, newsletter))
    return client


# --- Start and frame -----------------------------------------------------------------------------


def test_strangers_find_what_is_offered_and_the_way_in(client, newsletter):
    page = client.get("/", headers={"accept-language": "en"}).content.decode()

    assert "/n/stadtanzeiger/" in page
    assert "/accounts/login/" in page
    assert "Send" not in page


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("editor", "/desk/"),
        ("publisher", "/desk/"),
        ("dpo", "/desk/subscribers/"),
        ("administrator", "/desk/newsletters/"),
    ],
)
def test_everybody_starts_where_their_work_is(newsletter, role, path):
    answer = signed_in(role).get("/")

    assert answer.status_code == 302
    assert answer.headers["Location"] in {path, "/privacy/"}


def test_navigation_shows_only_what_this_role_may_enter(newsletter):
    for role in Grant.Role.values:
        client = signed_in(role)
        page = client.get("/staff/tokens/").content.decode()
        shown = re.findall(r'<li><a href="(/[^"]*)"', page)
        assert shown
        for path in shown:
            assert client.get(path, follow=True).status_code == 200, (role, path)


def test_somebody_without_a_role_is_told_so(client, db):
    client.force_login(User.objects.create_user("new@example.org", "a long password"))

    answer = client.get("/")

    assert answer.status_code == 200
    assert 'class="empty"' in answer.content.decode()


def test_demo_says_so_on_every_page_and_nothing_else_does(client, settings, newsletter):
    assert 'class="banner"' in client.get("/").content.decode()
    settings.JAWORT_DEMO = False
    assert 'class="banner"' not in client.get("/").content.decode()


# --- Staff ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/staff/", "/staff/new/"])
@pytest.mark.parametrize("role", ["editor", "publisher", "dpo"])
def test_only_administrators_manage_staff(newsletter, role, path):
    assert signed_in(role).get(path).status_code == 403


def test_first_password_is_shown_once_and_works(admin, client):
    shown = admin.post("/staff/new/", NEW)
    user = User.objects.get(email="neu@example.org")
    password = SECRET.search(shown.content.decode())[1]

    assert user.check_password(password)
    assert "no-store" in shown["Cache-Control"]
    assert password not in admin.get(f"/staff/{user.pk}/").content.decode()
    assert AuditEntry.objects.filter(action="user.created").count() == 1


def test_an_address_is_given_once(admin, boss):
    page = admin.post("/staff/new/", NEW | {"email": "BOSS@example.org"})

    assert "id_email_error" in page.content.decode()
    assert User.objects.count() == 1


def test_a_role_is_given_for_one_newsletter_and_taken_away(admin, newsletter):
    user = User.objects.create_user("new@example.org", "a long password")

    admin.post(f"/staff/{user.pk}/grant/", {"role": "editor", "newsletter": newsletter.pk})
    given = Grant.objects.get(user=user)
    assert (given.role, given.newsletter) == ("editor", newsletter.pk)

    admin.post(f"/staff/{user.pk}/revoke/{given.pk}/")
    assert not Grant.objects.filter(user=user).exists()


def test_the_last_administrator_stays(admin, boss):
    own = Grant.objects.get(user=boss)

    admin.post(f"/staff/{boss.pk}/revoke/{own.pk}/")
    admin.post(f"/staff/{boss.pk}/active/", {"is_active": "false"})

    boss.refresh_from_db()
    assert boss.is_active
    assert Grant.objects.filter(pk=own.pk).exists()


def test_a_locked_person_is_out_at_once(admin, newsletter):
    editor = make_staff("editor", newsletter)
    theirs = Client()
    theirs.force_login(editor)
    assert theirs.get("/desk/inbox/").status_code == 200

    admin.post(f"/staff/{editor.pk}/active/", {"is_active": "false"})

    assert theirs.get("/desk/inbox/").status_code == 302


# --- Tokens --------------------------------------------------------------------------------------

TOKEN = {"name": "Website", "scopes": ["newsletter.read"], "days": "30"}


def test_token_is_shown_once_and_works(newsletter):
    client = signed_in("editor", newsletter)

    shown = client.post("/staff/tokens/new/", TOKEN)
    text = SECRET.search(shown.content.decode())[1]

    assert authenticate_token(text).name == "Website"
    assert text not in client.get("/staff/tokens/").content.decode()
    assert text[:12] in client.get("/staff/tokens/").content.decode()


def test_nobody_makes_a_token_mightier_than_themselves(newsletter):
    answer = signed_in("editor", newsletter).post(
        "/staff/tokens/new/", TOKEN | {"scopes": ["broadcast.send"]}
    )

    assert "id_scopes_error" in answer.content.decode()
    assert ApiToken.objects.count() == 0


def test_foreign_tokens_are_seen_and_ended_by_administrators_alone(admin, newsletter):
    signed_in("editor", newsletter).post("/staff/tokens/new/", TOKEN)
    token = ApiToken.objects.get()
    other = signed_in("publisher", newsletter)

    assert "Website" not in other.get("/staff/tokens/").content.decode()
    assert other.post(f"/staff/tokens/{token.pk}/end/").status_code == 404
    assert "Website" in admin.get("/staff/tokens/").content.decode()
    admin.post(f"/staff/tokens/{token.pk}/end/")

    token.refresh_from_db()
    assert token.revoked_at is not None


def test_staff_list_asks_no_more_for_three_people_than_for_one(
    admin, newsletter, django_assert_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    admin.get("/staff/")
    with CaptureQueriesContext(connection) as one:
        admin.get("/staff/")
    for role in ("editor", "publisher", "dpo"):
        make_staff(role, newsletter)

    with django_assert_num_queries(len(one)):
        admin.get("/staff/")


def test_nobody_gives_a_role_to_themselves(admin, db):
    me = User.objects.get(grants__role="administrator")

    admin.post(f"/staff/{me.pk}/grant/", {"role": "dpo", "newsletter": ""})

    assert [grant.role for grant in me.grants.all()] == ["administrator"]
