"""Pages of subscribers: what they show, what their button does, what a GET never does."""

import re
from datetime import timedelta
from html import unescape

import pytest
import segno
import time_machine
from django.utils import timezone

from messengers.models import Delivery, Dispatch, Gate
from privacy.access import guesses
from privacy.models import Request
from privacy.vault import sign_link
from subscriptions.actions.opt_in import ask_by_form
from subscriptions.actions.wordings import publish_defaults
from subscriptions.models import ConsentRecord, OptIn, Subscription
from tests.broadcasts.house import SYSTEM, make_channel, make_newsletter, subscribe

pytestmark = pytest.mark.django_db
READER = "leserin@example.org"


@pytest.fixture
def mail(db):
    return make_channel("email", "Post")


@pytest.fixture
def chat(db):
    return make_channel("simulator", "Telefon", settings={"number": "+4930123456"})


@pytest.fixture
def newsletter(mail, chat):
    made = make_newsletter(channels=[mail, chat], is_public=True)
    publish_defaults(newsletter=made, channels=[mail, chat], actor=SYSTEM)
    return made


@pytest.fixture
def confirm_path(newsletter, mail, monkeypatch):
    """The path of a confirmation link, as it went out by mail."""
    tokens = []
    from subscriptions.actions import questions

    real = questions.new_token
    monkeypatch.setattr(questions, "new_token", lambda: tokens.append(real()) or tokens[-1])
    ask_by_form(newsletter=newsletter, channel=mail, identifier=READER, language="de")
    return f"/c/{tokens[0]}/"


def sign_up(client, newsletter, channel, address=READER, **more):
    prefix = str(channel.pk)
    data = {"channel": prefix, f"{prefix}-address": address, f"{prefix}-language": "de", **more}
    return client.post(f"/n/{newsletter.slug}/?lang=de", data)


def test_newsletter_page_tells_what_comes_how_often_by_whom_and_how_it_ends(client, newsletter):
    page = client.get("/n/stadtanzeiger/?lang=en").content.decode()

    for fact in ("Stadtanzeiger", "News", "daily", "Verlag", "STOP", "imprint", "/notice/"):
        assert fact in page
    assert 'lang="en"' in page


def test_newsletter_page_shows_code_link_and_word_for_the_chat(client, newsletter, chat):
    page = client.get("/n/stadtanzeiger/?lang=de").content.decode()

    assert f"/n/stadtanzeiger/{chat.pk}.svg" in page
    assert ">START<" in page
    assert "text=START" in page


def dark_modules(svg):
    """The dark squares of a code, (column, row), read from the strokes of the picture's path."""
    (strokes,) = re.findall(r'stroke="#000" d="([^"]+)"', svg)
    column, row, dark = 0.0, 0.0, set()
    for command, numbers in re.findall(r"([Mmh])([^Mmh]+)", strokes):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if command == "h":
            dark |= {(int(column) + step, int(row)) for step in range(int(values[0]))}
            column += values[0]
        elif command == "m":
            column, row = column + values[0], row + values[1]
        else:
            column, row = values
    return dark


def test_code_is_a_picture_of_the_link_that_the_page_shows(client, newsletter, chat):
    page = client.get("/n/stadtanzeiger/?lang=de").content.decode()
    (link,) = {unescape(found) for found in re.findall(r'href="([^"]*text=START[^"]*)"', page)}

    answer = client.get(f"/n/stadtanzeiger/{chat.pk}.svg")

    code = segno.make(link, error="m", micro=False)
    rows = enumerate(code.matrix_iter(border=2))
    expected = {(x, y) for y, row in rows for x, dark in enumerate(row) if dark}
    assert answer["Content-Type"] == "image/svg+xml"
    assert dark_modules(answer.content.decode()) == expected


def test_a_newsletter_that_is_not_public_does_not_exist(client, newsletter):
    type(newsletter).objects.update(is_public=False)

    assert client.get("/n/stadtanzeiger/").status_code == 404


def test_form_answers_alike_for_new_and_known_addresses(client, newsletter, mail):
    known = subscribe(newsletter, mail, 1)
    assert known.status == Subscription.Status.CONFIRMED

    answers = [
        sign_up(client, newsletter, mail, address) for address in (READER, "reader1@example.org")
    ]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert OptIn.objects.count() == 1


def test_form_says_beside_the_field_what_is_wrong(client, newsletter, mail):
    page = sign_up(client, newsletter, mail, "nobody at home").content.decode()

    assert "errorlist" in page
    assert f"id_{mail.pk}-address_error" in page
    assert OptIn.objects.count() == 0


def test_nothing_is_ticked_before(client, newsletter):
    page = client.get("/n/stadtanzeiger/").content.decode()

    assert "checkbox" in page
    assert not re.search(r'type="checkbox"[^>]*checked', page)


def test_confirmation_page_has_one_button_and_the_words_agreed_to(client, confirm_path, newsletter):
    page = client.get(confirm_path).content.decode()

    assert page.count("<button") == 1
    assert "Verlag" in page
    assert "{confirm_url}" not in page
    assert Subscription.objects.count() == 0


def test_pressing_the_button_confirms_once(client, confirm_path):
    first = client.post(confirm_path)
    second = client.post(confirm_path)

    assert (first.status_code, second.status_code) == (200, 404)
    assert Subscription.objects.get().status == Subscription.Status.CONFIRMED
    assert ConsentRecord.objects.filter(state="given").count() == 1


def test_an_old_confirmation_link_says_so_and_changes_nothing(client, confirm_path):
    with time_machine.travel(timezone.now() + timedelta(hours=49)):
        answer = client.post(confirm_path)

    assert answer.status_code == 410
    assert Subscription.objects.count() == 0


@pytest.fixture
def subscription(newsletter, mail):
    return subscribe(newsletter, mail, 1, topics=["sport"])


def unsubscribe_path(subscription):
    return f"/u/{sign_link('unsubscribe', subscription.pk, None)}/"


def preferences_path(subscription, days=30):
    ends = timezone.now() + timedelta(days=days)
    return f"/p/{sign_link('preferences', subscription.pk, ends)}/"


def test_one_click_unsubscribes_without_cookie_and_as_often_as_it_likes(client, subscription):
    path = unsubscribe_path(subscription)
    strict = type(client)(enforce_csrf_checks=True)

    answers = [strict.post(path, {"List-Unsubscribe": "One-Click"}) for _ in range(10)]

    assert {answer.status_code for answer in answers} == {200}
    assert {bool(answer.cookies) for answer in answers} == {False}
    assert ConsentRecord.objects.filter(state="withdrawn").count() == 1
    assert Gate.objects.get(pk=subscription.pk).is_open is False


def test_a_thousand_scanners_do_not_unsubscribe(client, subscription):
    path = unsubscribe_path(subscription)

    pages = [client.get(path) for _ in range(20)] + [client.head(path) for _ in range(20)]

    assert {page.status_code for page in pages} == {200}
    assert Gate.objects.get(pk=subscription.pk).is_open is True


def test_a_link_for_settings_cannot_unsubscribe_and_the_other_way_round(client, subscription):
    settings_token = preferences_path(subscription).split("/")[2]
    leave_token = unsubscribe_path(subscription).split("/")[2]

    assert client.post(f"/u/{settings_token}/").status_code == 404
    assert client.get(f"/p/{leave_token}/").status_code == 404
    assert Gate.objects.get(pk=subscription.pk).is_open is True


def test_settings_keep_topics_and_language(client, subscription, newsletter):
    path = preferences_path(subscription)
    chosen = newsletter.topics.get(slug="lokales")

    answer = client.post(path, {"topics": [str(chosen.pk)], "language": "en"})

    assert answer.status_code == 302
    subscription.refresh_from_db()
    assert subscription.language == "en"
    assert list(subscription.topics.all()) == [chosen]


def test_settings_show_what_is_chosen_now(client, subscription):
    page = client.get(preferences_path(subscription)).content.decode()

    assert page.count(" checked") == 2  # one topic, one language


def test_leaving_everything_ends_every_newsletter_at_this_address(client, subscription, mail):
    other = make_newsletter("sportblatt", channels=[mail])
    second = Subscription.objects.create(
        subscriber=subscription.subscriber,
        newsletter=other,
        channel=mail,
        address=subscription.address,
        status="confirmed",
        source="web",
        confirmed_at=timezone.now(),
    )
    page = client.get(preferences_path(subscription)).content.decode()
    assert "Sportblatt" in page

    client.post(preferences_path(subscription), {"stop": "all"})

    for one in (subscription, second):
        one.refresh_from_db()
        assert one.status == Subscription.Status.WITHDRAWN


def test_an_old_settings_link_tells_how_to_get_a_new_one(client, subscription):
    path = preferences_path(subscription, days=-1)

    answer = client.get(path)

    assert answer.status_code == 410
    assert "THEMEN" in answer.content.decode()


def test_old_notices_stay_and_lead_to_the_present_one(client, newsletter):
    from subscriptions.actions.wordings import publish_notice

    old = newsletter.notices.get(language="de")
    facts = old.text.replace("(noch einzutragen)", "datenschutz@example.org")
    text = "# Neu\n\n<script>alert(1)</script> [x](javascript:alert(1)) ja\n\n" + facts
    new = publish_notice(newsletter=newsletter, language="de", text=text, actor=SYSTEM)

    assert f"/notice/{new.pk}/" in client.get(f"/notice/{old.pk}/").content.decode()
    shown = client.get(f"/notice/{new.pk}/").content.decode()
    assert "<script>alert" not in shown
    assert "javascript:" not in re.findall(r'href="([^"]*)"', shown)
    assert "<h2>Neu</h2>" in shown


def test_receipt_names_no_person(client, confirm_path):
    client.post(confirm_path)
    record = ConsentRecord.objects.get(state="given")
    token = sign_link("receipt", record.pk, timezone.now() + timedelta(days=1))

    page = client.get(f"/r/{token}/").content.decode()

    assert str(record.pk) in page
    assert "Verlag" in page
    assert READER not in page


@pytest.mark.parametrize("kind", Request.Kind.values)
def test_a_request_by_web_is_proven_at_the_address_itself(client, subscription, kind):
    asked = client.post("/data/", {"kind": kind, "address": "reader1@example.org"})
    assert asked.status_code == 302
    assert Request.objects.count() == 0
    assert Dispatch.objects.count() == 1

    token = sign_link(f"data-{kind}", subscription.address_id, timezone.now() + timedelta(hours=1))
    path = f"/data/{kind}/{token}/"
    assert "<button" in client.get(path).content.decode()
    assert Request.objects.count() == 0
    pages = [client.post(path).content.decode() for _ in range(2)]

    request = Request.objects.get()
    assert (request.kind, request.origin, request.is_verified) == (kind, "web", True)
    assert all(request.number in page for page in pages)


def test_asking_for_data_answers_alike_for_strangers(client, subscription):
    known = client.post("/data/", {"kind": "access", "address": "reader1@example.org"})
    strange = client.post("/data/", {"kind": "access", "address": "stranger@example.org"})

    assert known.headers["Location"] == strange.headers["Location"]
    assert Delivery.objects.count() == 1


def test_asking_again_and_again_does_not_flood_a_mailbox(client, subscription):
    for _ in range(6):
        client.post("/data/", {"kind": "access", "address": "reader1@example.org"})

    assert Delivery.objects.count() == 2


TOKEN_PAGES = ("confirm", "preferences", "unsubscribe", "receipt", "data")


def test_token_pages_are_never_stored_nor_named_to_others(client, subscription, confirm_path):
    paths = [
        confirm_path,
        unsubscribe_path(subscription),
        preferences_path(subscription),
        "/u/bad/",
    ]

    for path in paths:
        answer = client.get(path)
        assert answer["Cache-Control"] == "no-store"
        assert answer["Referrer-Policy"] == "no-referrer"
        assert not answer.cookies


@pytest.mark.parametrize("path", ["/n/stadtanzeiger/", "/data/"])
def test_a_machine_that_fills_in_forms_is_slowed_down(client, newsletter, path, monkeypatch):
    monkeypatch.setattr(guesses, "PER_NETWORK", guesses.Limit(3))
    data = {"kind": "access", "address": "a@example.org", "channel": newsletter.channels.first().pk}
    statuses = [client.post(path, data).status_code for _ in range(4)]

    assert 429 not in statuses[:3]
    assert statuses[3] == 429
    assert client.get(path).status_code == 200
