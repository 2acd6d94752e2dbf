"""The desk: who may see and do what, and that looking changes nothing."""

import csv
import io
import re
from datetime import time, timedelta

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from broadcasts import actions
from broadcasts.models import Broadcast, Content, Media, Schedule
from broadcasts.urls import urlpatterns
from broadcasts.views.outcome import harmless
from messengers import media as files
from messengers.models import Delivery, Dispatch
from privacy.ids import uuid7
from privacy.models import AuditEntry
from subscriptions.models import Newsletter, Segment
from tests.broadcasts.house import (
    SYSTEM,
    make_channel,
    make_draft,
    make_newsletter,
    make_staff,
)
from tests.broadcasts.pictures import HTML, SECRET, jpeg_with_place
from tests.broadcasts.test_actions import settle_all

NOON = "2026-11-21T11:00:00+00:00"


@pytest.fixture
def sign_in(settings):
    """`sign_in(user)` gives a browser in which this person is signed in."""
    settings.JAWORT_DEMO = True  # the second factor has tests of its own

    def enter(user):
        client = Client(headers={"accept-language": "en"})
        client.force_login(user)
        return client

    return enter


@pytest.fixture
def desk(sign_in, user):
    return sign_in(user)


@pytest.fixture
def running(draft, publisher):
    return actions.start(draft, actor=publisher, idempotency_key="k")


def at(name, row, **more):
    return reverse(name, kwargs={"pk": row.pk, **more})


def text(response):
    return response.content.decode()


FORM = {
    "title": "Sperrung",
    "language": "de",
    "markdown": "Hallo {first_name|Leserin}, die **Brücke** ist zu.",
    "who": "everybody",
}


# Writing


def test_a_new_broadcast_is_written_and_saved(desk, newsletter, readers):
    sport = {"who": "chosen", "topics": ["sport"], "languages": ["de"]}
    button = {"button_label_1": "Mehr lesen", "button_url_1": "https://example.org/a"}

    response = desk.post(reverse("broadcast_new"), FORM | sport | button)

    broadcast = Broadcast.objects.get()
    assert response.headers["location"] == at("broadcast", broadcast)
    assert broadcast.newsletter == newsletter
    assert broadcast.audience == {"all": [{"topic": ["sport"]}, {"language": ["de"]}]}
    assert broadcast.content.buttons == [{"label": "Mehr lesen", "url": "https://example.org/a"}]
    page = text(desk.get(response.headers["location"]))
    assert "2 people" in page
    assert "1 batch" in page


def test_the_form_shows_what_was_saved(desk, newsletter, publisher, readers):
    segment = Segment.objects.create(newsletter=newsletter, name="Sportler", rule={})
    draft = make_draft(
        newsletter,
        publisher,
        segment=segment,
        buttons=[{"label": "Lesen", "url": "https://example.org/b"}],
        expires_after=timedelta(hours=6),
    )

    page = text(desk.get(at("broadcast_edit", draft)))

    assert 'value="https://example.org/b"' in page
    assert re.search(r'value="segment"[^>]*checked', page)
    assert re.search(r'value="6" selected', page)


def test_saving_again_changes_nothing_but_what_was_changed(desk, draft):
    page = desk.get(at("broadcast_edit", draft))
    form = page.context["form"]
    filled = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    filled.pop("is_urgent")

    desk.post(at("broadcast_edit", draft), filled | {"title": "Anders"})

    saved = Broadcast.objects.get()
    assert saved.title == "Anders"
    assert saved.content.markdown == draft.content.markdown
    assert saved.audience == draft.audience


def test_a_rule_the_form_cannot_say_is_kept(desk, newsletter, publisher, readers):
    rule = {"any": [{"topic": ["sport"]}, {"not": {"language": ["en"]}}]}
    draft = make_draft(newsletter, publisher, audience=rule)
    assert "The rule it has" in text(desk.get(at("broadcast_edit", draft)))

    desk.post(at("broadcast_edit", draft), FORM | {"who": "kept"})

    assert Broadcast.objects.get().audience == rule


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"title": ""}, "title", "required"),
        ({"markdown": ""}, "markdown", "required"),
        ({"who": "chosen"}, "who", "at least one"),
        ({"who": "segment"}, "who", "valid choice"),
        ({"topics": ["nowhere"], "who": "chosen"}, "topics", "valid choice"),
        ({"is_urgent": "on"}, "urgent_why", "cannot wait"),
        ({"button_label_1": "Mehr"}, "button_url_1", "lead"),
        ({"button_url_2": "https://example.org"}, "button_label_2", "say"),
        ({"button_label_1": "x", "button_url_1": "javascript:alert(1)"}, "button_url_1", "https"),
        ({"subscribed_after": "yesterday", "who": "chosen"}, "subscribed_after", "valid date"),
    ],
)
def test_mistakes_are_told_beside_their_fields(desk, newsletter, readers, change, field, said):
    response = desk.post(reverse("broadcast_new"), FORM | change)

    assert response.status_code == 200
    assert any(said in error for error in response.context["form"].errors[field])
    assert not Broadcast.objects.exists()


def test_a_colleague_who_saved_first_is_not_overwritten(desk, draft, publisher):
    seen = draft.edited_at.isoformat()
    actions.edit_broadcast(broadcast=draft, actor=publisher, title="Ihre Fassung")

    response = desk.post(at("broadcast_edit", draft), FORM | {"seen_at": seen})

    assert "A colleague saved this draft" in text(response)
    assert Broadcast.objects.get().title == "Ihre Fassung"


def test_with_several_newsletters_it_asks_which(sign_in, newsletter):
    other = make_newsletter("other")
    foreign = make_newsletter("foreign", name="Foreign Affairs")
    user = make_staff("editor", newsletter, "two@example.org")
    from privacy.models import Grant

    Grant.objects.create(user=user, role="editor", newsletter=other.pk)

    page = text(sign_in(user).get(reverse("broadcast_new")))

    assert "?newsletter=other" in page
    assert foreign.name not in page


def test_a_foreign_newsletter_is_not_there(desk):
    make_newsletter("foreign")

    assert desk.get(reverse("broadcast_new") + "?newsletter=foreign").status_code == 404


# Pictures


def upload(data=None):
    return SimpleUploadedFile("../../etc/passwd.html", data or jpeg_with_place(), "text/html")


def test_an_uploaded_picture_is_stored_clean_and_served_safely(desk, newsletter, readers):
    desk.post(reverse("broadcast_new"), FORM | {"image": upload(), "image_alt": "Die Brücke"})

    row = Media.objects.get()
    assert SECRET not in files.read(row.key)
    assert "passwd" not in row.key
    response = desk.get(at("broadcast_picture", row))
    assert response.content == files.read(row.key)
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]
    assert Content.objects.get().image_alt == "Die Brücke"


def test_a_picture_needs_a_description(desk, newsletter, readers):
    response = desk.post(reverse("broadcast_new"), FORM | {"image": upload()})

    assert "image_alt" in response.context["form"].errors
    assert not Media.objects.exists()


def test_what_is_no_picture_is_refused_with_words(desk, newsletter, readers):
    response = desk.post(reverse("broadcast_new"), FORM | {"image": upload(HTML), "image_alt": "x"})

    assert "no picture" in response.context["form"].errors["image"][0]
    assert not Broadcast.objects.exists()
    assert files.stored_keys() == set()


def test_a_picture_can_be_removed(desk, newsletter, publisher, draft):
    row = actions.add_picture(newsletter=newsletter, upload=jpeg_with_place(), actor=publisher)
    actions.edit_broadcast(broadcast=draft, actor=publisher, image=row, image_alt="Die Brücke")

    desk.post(at("broadcast_edit", draft), FORM | {"remove_image": "on", "image_alt": "x"})

    content = Content.objects.get()
    assert (content.image, content.image_alt) == (None, "")


def test_a_picture_of_a_foreign_newsletter_is_not_there(desk):
    foreign = make_newsletter("foreign")
    row = actions.add_picture(newsletter=foreign, upload=jpeg_with_place(), actor=SYSTEM)

    assert desk.get(at("broadcast_picture", row)).status_code == 404


# The live preview and count


def test_the_preview_shows_what_the_adapter_renders(desk, newsletter):
    page = text(desk.post(at("broadcast_preview", newsletter), FORM))

    assert "Hallo Petra, die <strong>Brücke</strong> ist zu." in page
    assert "Hallo Leserin, die <strong>Brücke</strong> ist zu." in page
    assert "of 4096 characters" in page


def test_the_preview_names_problems_with_numbers(desk, newsletter):
    page = text(desk.post(at("broadcast_preview", newsletter), FORM | {"markdown": "x" * 4100}))

    assert "4100 of 4096 characters" in page
    assert "is-over" in page


@pytest.mark.parametrize(
    "change",
    [
        {"markdown": "{first_name"},
        {"markdown": "{salary|much}"},
        {"markdown": "", "title": ""},
        {"button_label_1": "half"},
        {"language": "xx"},
        {"who": "segment"},
        {"broadcast": "no uuid"},
    ],
)
def test_a_half_written_form_has_a_preview_too(desk, newsletter, change):
    assert desk.post(at("broadcast_preview", newsletter), FORM | change).status_code == 200
    assert desk.post(at("broadcast_reach", newsletter), FORM | change).status_code == 200


def test_hostile_text_is_only_text(desk, newsletter):
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)> [x](javascript:alert(1))"

    page = text(desk.post(at("broadcast_preview", newsletter), FORM | {"markdown": hostile}))

    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert 'href="javascript' not in page


def test_a_mail_is_shown_in_a_frame_that_can_do_nothing(desk, newsletter, publisher, readers):
    mail = make_channel("email")
    newsletter.channels.add(mail)
    page = text(desk.post(at("broadcast_preview", newsletter), FORM))
    frame = re.search(r'<iframe sandbox=""[^>]*src="([^"]+)"', page)

    response = desk.get(frame[1])

    policy = response.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script-src" not in policy
    assert response.headers["x-frame-options"] == "SAMEORIGIN"
    assert "Hallo Petra" in text(response)
    saved = make_draft(newsletter, publisher)
    document = desk.get(at("broadcast_document", saved, channel=mail.pk))
    assert document.headers["content-security-policy"] == policy
    assert "Guten Morgen, Petra" in text(document)


def test_a_colleagues_unsaved_mail_is_not_there(desk, sign_in, newsletter):
    newsletter.channels.add(make_channel("email"))
    page = text(desk.post(at("broadcast_preview", newsletter), FORM))
    frame = re.search(r'<iframe sandbox=""[^>]*src="([^"]+)"', page)[1]
    other = sign_in(make_staff("editor", newsletter, "other@example.org"))

    assert desk.get(frame).status_code == 200
    assert other.get(frame).status_code == 404


def test_the_count_follows_the_audience(desk, newsletter, readers):
    url = at("broadcast_reach", newsletter)

    everybody = text(desk.post(url, FORM))
    sport = text(desk.post(url, FORM | {"who": "chosen", "topics": ["sport"]}))
    nobody = text(desk.post(url, FORM | {"who": "chosen", "languages": ["en"]}))

    assert "3 people" in everybody
    assert "Simulator: 3" in everybody
    assert "2 people" in sport
    assert "0 people" in nobody


# Sending


def test_the_page_before_sending_shows_what_will_happen(desk, draft):
    page = text(desk.get(at("broadcast_send", draft)))

    assert "3 people" in page
    assert "1 batch" in page
    assert "Simulator: 3" in page
    assert "Send to 3 people" in page
    assert not Dispatch.objects.exists()


def posted(page):
    """The hidden fields of the form that sends."""
    return {
        "key": re.search(r'name="key" value="([^"]+)"', page)[1],
        "seen_at": re.search(r'name="seen_at" value="([^"]+)"', page)[1],
    }


def test_one_click_sends_and_a_second_changes_nothing(desk, draft):
    filled = posted(text(desk.get(at("broadcast_send", draft))))

    for _ in range(2):
        desk.post(at("broadcast_send", draft), filled)

    assert Dispatch.objects.count() == 1
    assert Delivery.objects.count() == 3
    page = text(desk.get(at("broadcast", draft)))
    assert "0 of 3" in page


def test_what_was_changed_behind_the_page_is_not_sent(desk, draft, publisher):
    filled = posted(text(desk.get(at("broadcast_send", draft))))
    actions.edit_broadcast(broadcast=draft, actor=publisher, markdown="Etwas anderes")

    response = desk.post(at("broadcast_send", draft), filled, follow=True)

    assert "A colleague saved this draft" in text(response)
    assert not Dispatch.objects.exists()


def test_content_that_does_not_fit_has_no_button_to_send(desk, draft, publisher):
    actions.edit_broadcast(broadcast=draft, actor=publisher, markdown="x" * 5000)

    page = text(desk.get(at("broadcast_send", draft)))

    assert "It does not fit yet" in page
    assert "Send to 3 people" not in page


def test_in_the_quiet_hours_the_page_offers_their_end(desk, draft, newsletter):
    newsletter.quiet_from, newsletter.quiet_until = time(11), time(14)
    newsletter.save()
    with time_machine.travel(NOON, tick=False):
        page = text(desk.get(at("broadcast_send", draft)))
        assert "Send to 3 people" not in page
        local = re.search(r'name="local_time" value="([^"]+)"', page)[1]

        desk.post(at("broadcast_schedule", draft), {"local_time": local})

    assert local == "2026-11-21T14:00"
    assert Schedule.objects.get().local_time == local


def test_scheduling_says_what_a_strange_time_means(desk, draft):
    with time_machine.travel("2026-10-01T10:00:00+00:00", tick=False):
        response = desk.post(
            at("broadcast_schedule", draft), {"local_time": "2026-10-25T02:30"}, follow=True
        )

    assert "comes twice" in text(response)


def test_a_time_that_is_over_is_refused_beside_the_field(desk, draft):
    response = desk.post(at("broadcast_schedule", draft), {"local_time": "2020-01-01T10:00"})

    assert "This time is over" in response.context["form"].errors["local_time"][0]


def test_a_test_is_sent_from_the_page(desk, draft, channel):
    filled = {"channel": channel.pk, "address": "0176 04069001"}

    response = desk.post(at("broadcast_test", draft), filled, follow=True)

    page = text(response)
    assert "on its way" in page
    assert "4069001" not in page
    assert Dispatch.objects.filter(kind="test").count() == 1
    known = re.search(r'name="known" value="([^"]+)"', page)[1]
    desk.post(at("broadcast_test", draft), {"known": known})
    assert Dispatch.objects.filter(kind="test").count() == 2
    desk.post(at("broadcast_forget_test", draft), {"known": known})
    assert "Send to Simulator" not in text(desk.get(at("broadcast", draft)))


def test_a_colleagues_test_address_is_not_there(desk, sign_in, draft, channel, newsletter):
    desk.post(at("broadcast_test", draft), {"channel": channel.pk, "address": "0176 04069001"})
    known = re.search(r'name="known" value="([^"]+)"', text(desk.get(at("broadcast", draft))))[1]
    other = sign_in(make_staff("editor", newsletter, "other@example.org"))

    assert other.post(at("broadcast_test", draft), {"known": known}).status_code == 404
    assert other.post(at("broadcast_forget_test", draft), {"known": known}).status_code == 404


# Steering, progress, results


def test_pause_go_on_and_stop_from_the_page(desk, running):
    for name, status in [
        ("broadcast_pause", "paused"),
        ("broadcast_resume", "running"),
        ("broadcast_cancel", "cancelled"),
    ]:
        desk.post(at(name, running))
        running.refresh_from_db()
        assert running.status == status


def test_what_is_impossible_is_said_in_words(desk, draft):
    response = desk.post(at("broadcast_pause", draft), follow=True)

    assert "not possible in its present state" in text(response)


def test_progress_is_asked_for_until_it_is_over(desk, running):
    url = at("broadcast_progress", running)
    response = desk.get(url)
    again = re.search(rf'hx-get="({url}\?seen=\w+)" hx-trigger="every 2s"', text(response))
    assert again
    assert "hx-refresh" not in response.headers
    # Nothing has changed: nothing is drawn, and two statements tell so.
    assert desk.get(again[1]).status_code == 204
    settle_all(running, "accepted", "queued", "queued")
    assert "1 of 3" in text(desk.get(again[1]))

    settle_all(running, "accepted", "delivered", "failed")
    actions.follow_dispatches(timezone.now())
    response = desk.get(url)

    assert "hx-get" not in text(response)
    assert response.headers["hx-refresh"] == "true"
    assert "3 of 3" in text(response)


def test_results_tell_counts_causes_and_withdrawals(desk, running, readers):
    settle_all(running, "delivered", "failed", "in_doubt", cause="worker_lost")
    actions.follow_dispatches(timezone.now())
    readers[0].status, readers[0].ended_at = "withdrawn", timezone.now()
    readers[0].save()

    page = text(desk.get(at("broadcast", running)))

    assert re.search(r"<b>1</b><span>taken by the messenger", page)
    assert re.search(r"<b>1</b><span>in doubt", page)
    assert re.search(r"<b>1</b><span>withdrew", page)
    assert "interrupted between question and answer" in page
    assert " style=" not in page


def test_the_table_has_the_same_counts_and_nobody_in_it(desk, running):
    settle_all(running, "delivered", "failed", "in_doubt", cause="worker_lost")

    response = desk.get(at("broadcast_results", running))

    rows = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig")), delimiter=";"))
    assert rows[0] == ["group", "state", "cause_or_channel", "count"]
    assert ["state", "delivered", "", "1"] in rows
    assert ["total", "recipients", "", "3"] in rows
    states = [int(row[3]) for row in rows if row[0] == "state"]
    assert sum(states) == 3
    assert "+49" not in response.content.decode()


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_cell_never_begins_a_formula(start):
    assert harmless([start, "plain", 3]) == [f"'{start}", "plain", 3]


def test_doubts_are_shown_masked_and_settled(desk, running):
    settle_all(running, "accepted", "accepted", "in_doubt", cause="worker_lost")
    page = text(desk.get(at("broadcast_doubts", running)))
    assert "+4917600" not in page
    assert "+49 •••" in page
    doubt = Delivery.objects.get(status="in_doubt")
    assert f'value="{doubt.pk}"' in page

    desk.post(at("broadcast_doubts", running), {"delivery": doubt.pk, "decision": "sent"})

    doubt.refresh_from_db()
    assert doubt.status == "accepted"
    assert AuditEntry.objects.filter(action="delivery.settled").count() == 1
    page = text(desk.get(at("broadcast_doubts", running)))
    assert "Nothing is in doubt" in page


@pytest.mark.parametrize(
    "filled", [{}, {"delivery": "x", "decision": "sent"}, {"delivery": 1, "decision": "erase"}]
)
def test_a_senseless_decision_is_not_found(desk, running, filled):
    assert desk.post(at("broadcast_doubts", running), filled).status_code == 404


def test_duplicate_and_delete(desk, running):
    response = desk.post(at("broadcast_duplicate", running))
    copy = Broadcast.objects.get(status="draft")
    assert response.headers["location"] == at("broadcast_edit", copy)

    desk.post(at("broadcast_delete", copy))
    desk.post(at("broadcast_delete", running))

    assert list(Broadcast.objects.all()) == [running]


# The list


def test_the_list_filters_by_what_it_knows_and_ignores_the_rest(desk, newsletter, publisher):
    make_draft(newsletter, publisher, title="Brücke gesperrt")
    make_draft(newsletter, publisher, title="Tor des Monats")
    url = reverse("desk")

    assert "Tor des Monats" in text(desk.get(url))
    found = text(desk.get(url, {"q": "brücke"}))
    assert "Brücke gesperrt" in found
    assert "Tor des Monats" not in found
    assert "Nothing fits" in text(desk.get(url, {"status": "cancelled"}))
    for hostile in ({"newsletter__publisher": "Verlag"}, {"order": "id; drop"}, {"page": "x"},
                    {"status": "'"}, {"since": "never"}, {"q": "%"}):  # fmt: skip
        assert desk.get(url, hostile).status_code == 200


def test_the_list_has_pages(desk, newsletter, publisher):
    for number in range(26):
        make_draft(newsletter, publisher, title=f"Nachricht {number:02}")

    first, second = text(desk.get(reverse("desk"))), text(desk.get(reverse("desk"), {"page": 2}))

    assert "Nachricht 25" in first
    assert "Nachricht 00" not in first
    assert "Nachricht 00" in second


@pytest.mark.parametrize("name", ["desk", "doubts"])
def test_three_rows_cost_no_more_queries_than_one(desk, newsletter, publisher, readers, name):
    from django.db import connections
    from django.test.utils import CaptureQueriesContext

    def queries(url):
        with (
            CaptureQueriesContext(connections["default"]) as data,
            CaptureQueriesContext(connections["keystore"]) as keys,
        ):
            assert desk.get(url).status_code == 200
        return len(data) + len(keys)

    first = actions.start(make_draft(newsletter, publisher), actor=publisher, idempotency_key="1")
    url = reverse("desk") if name == "desk" else at("broadcast_doubts", first)
    settle_all(first, "in_doubt", "accepted", "accepted")
    desk.get(url)
    one = queries(url)

    if name == "desk":
        for _ in range(2):
            make_draft(newsletter, publisher)
    else:
        Delivery.objects.update(status="in_doubt")

    assert queries(url) == one


# Rights

ROLES = ("nobody", "foreign", "editor", "publisher", "dpo", "administrator")
READERS = {"editor", "publisher"}
# Route -> who may; everybody else gets 403 or 404, or is asked to sign in.
MAY = {
    "desk": READERS | {"foreign"},  # an own list, in which nothing foreign stands
    "broadcast_new": READERS | {"foreign"},
    "broadcast_kept_document": set(),  # needs a name that only a preview gives
    "broadcast_preview": READERS,
    "broadcast_reach": READERS,
    "broadcast_picture": READERS,
    "broadcast": READERS,
    "broadcast_edit": READERS,
    "broadcast_document": READERS,
    "broadcast_duplicate": READERS,
    "broadcast_delete": READERS,
    "broadcast_test": READERS,
    "broadcast_forget_test": set(),  # needs an address of one's own
    "broadcast_send": {"publisher"},
    "broadcast_schedule": {"publisher"},
    "broadcast_unschedule": READERS,
    "broadcast_pause": {"publisher"},
    "broadcast_resume": {"publisher"},
    "broadcast_end_trial": {"publisher"},
    "broadcast_cancel": {"publisher"},
    "broadcast_retry": {"publisher"},
    "broadcast_progress": READERS,
    "broadcast_results": READERS,
    "broadcast_doubts": {"publisher"},
    "newsletter_rules": {"administrator"},
    "channel_doubts": {"administrator"},
}
ADMINISTRATORS = {"newsletter_rules", "channel_doubts"}  # of the whole house, not of a newsletter
ONLY_POST = {
    "broadcast_preview", "broadcast_reach", "broadcast_duplicate", "broadcast_test",
    "broadcast_forget_test", "broadcast_unschedule", "broadcast_pause", "broadcast_resume",
    "broadcast_retry", "broadcast_end_trial",
}  # fmt: skip


@pytest.fixture
def rows(newsletter, publisher, draft):
    """What the routes are about."""
    mail = make_channel("email")
    newsletter.channels.add(mail)
    picture = actions.add_picture(newsletter=newsletter, upload=jpeg_with_place(), actor=publisher)
    return {
        "desk": {},
        "broadcast_new": {},
        "broadcast_kept_document": {"name": "unknown"},
        "broadcast_preview": {"pk": newsletter.pk},
        "broadcast_reach": {"pk": newsletter.pk},
        "broadcast_picture": {"pk": picture.pk},
        "broadcast_document": {"pk": draft.pk, "channel": mail.pk},
        "newsletter_rules": {"pk": newsletter.pk},
        "channel_doubts": {"pk": mail.pk},
        None: {"pk": draft.pk},
    }


def as_role(sign_in, newsletter, role):
    if role == "nobody":
        return Client()
    if role == "foreign":
        return sign_in(make_staff("publisher", make_newsletter("foreign"), "foreign@example.org"))
    scope = newsletter if role in READERS else None
    return sign_in(make_staff(role, scope, f"{role}2@example.org"))


def test_the_matrix_lists_every_route():
    assert {route.name for route in urlpatterns} == set(MAY)


@pytest.mark.parametrize("role", ROLES)
def test_only_those_who_may_get_in(sign_in, newsletter, rows, role):
    client = as_role(sign_in, newsletter, role)

    for name in sorted(MAY):
        url = reverse(name, kwargs=rows.get(name, rows[None]))
        response = client.post(url, FORM) if name in ONLY_POST else client.get(url)
        if role == "nobody":
            assert response.status_code == 302, name
            assert "/accounts/login/" in response.headers["location"]
        elif role in MAY[name]:
            assert response.status_code in (200, 302), name
        else:
            is_foreign = role == "foreign" and name not in ADMINISTRATORS
            expected = (404,) if is_foreign else (403, 404)
            assert response.status_code in expected, name
            assert "Brücke" not in text(response)


def everything():
    models = (Broadcast, Content, Schedule, Media, Dispatch, Delivery, AuditEntry, Newsletter)
    return {model: list(model.objects.order_by("pk").values()) for model in models}


def test_looking_changes_nothing(desk, rows):
    before = everything()

    for name in sorted(set(MAY) - ONLY_POST):
        url = reverse(name, kwargs=rows.get(name, rows[None]))
        for _ in range(2):
            desk.get(url)
            desk.head(url)
        assert everything() == before, name


def test_what_acts_answers_no_get(desk, rows):
    for name in ONLY_POST:
        url = reverse(name, kwargs=rows.get(name, rows[None]))
        assert desk.get(url).status_code == 405, name


def test_a_post_without_our_own_page_is_refused(user, settings, rows):
    settings.JAWORT_DEMO = True
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    before = everything()

    for name in sorted(set(MAY) - {"desk"}):
        url = reverse(name, kwargs=rows.get(name, rows[None]))
        assert strict.post(url, FORM).status_code in (403, 405), name

    assert everything() == before


def test_an_unknown_broadcast_is_not_found(desk):
    assert desk.get(reverse("broadcast", kwargs={"pk": uuid7()})).status_code == 404


def test_an_editor_sees_no_button_to_send(sign_in, newsletter, draft):
    page = text(sign_in(make_staff("editor", newsletter)).get(at("broadcast", draft)))

    assert at("broadcast_send", draft) not in page
    assert at("broadcast_edit", draft) in page


def test_pages_speak_german_to_germans(sign_in, user, draft):
    client = sign_in(user)

    page = text(client.get(at("broadcast", draft), headers={"accept-language": "de"}))

    assert "Empfängerkreis" in page
