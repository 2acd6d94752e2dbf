"""The desk's pages about subscribers: who sees what, what a form does, and no query per row."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from messengers.models import Delivery, Gate
from privacy.models import AuditEntry, Grant, User
from subscriptions.actions import keep_reply, publish_defaults
from subscriptions.models import (
    Import,
    Keyword,
    Newsletter,
    Reply,
    Segment,
    Subscription,
    Topic,
)
from tests.broadcasts.house import SYSTEM, make_channel, make_newsletter, make_staff, subscribe

pytestmark = pytest.mark.django_db
HEARD = "Wann ist die Brücke wieder offen?"


@pytest.fixture(autouse=True)
def demo(settings):
    """No second factor is asked for: what it guards has its own tests."""
    settings.JAWORT_DEMO = True


@pytest.fixture
def channel(db):
    return make_channel(settings={"number": "+4930123456"})


@pytest.fixture
def newsletter(channel):
    return make_newsletter(channels=[channel])


@pytest.fixture
def foreign(channel):
    return make_newsletter("fremdblatt", channels=[channel])


@pytest.fixture
def as_role(client, newsletter):
    """Signs in somebody with one role in this newsletter; gives the client back."""

    def sign_in(role, scope=newsletter):
        client.force_login(make_staff(role, scope, email=f"{role}-{scope}@example.org"))
        return client

    return sign_in


def write(newsletter, channel, number, text=HEARD, **more):
    subscription = subscribe(newsletter, channel, number)
    return keep_reply(
        address=subscription.address,
        text=text,
        received_at=timezone.now(),
        newsletter=newsletter,
        **more,
    )


def queries_of(client, path):
    with (
        CaptureQueriesContext(connection) as data,
        CaptureQueriesContext(connections["keystore"]) as keys,
    ):
        answer = client.get(path)
    assert answer.status_code == 200
    return len(data) + len(keys)


# --- Inbox ---------------------------------------------------------------------------------------


def test_inbox_shows_the_words_and_a_masked_sender(as_role, newsletter, channel):
    write(newsletter, channel, 7)

    page = as_role("editor").get("/desk/inbox/").content.decode()

    assert HEARD in page
    assert "+4917600000007" not in page
    assert "4917600000007" not in page


def test_inbox_of_another_newsletter_stays_closed(as_role, newsletter, foreign, channel):
    reply = write(foreign, channel, 7)
    client = as_role("editor")

    assert HEARD not in client.get("/desk/inbox/").content.decode()
    assert client.post(f"/desk/inbox/{reply.pk}/handled/").status_code == 404
    assert Reply.objects.get().handled_at is None


def test_what_people_write_is_text_and_never_markup(as_role, newsletter, channel):
    write(newsletter, channel, 7, text="<script>alert(1)</script><b>hallo</b>")

    page = as_role("editor").get("/desk/inbox/").content.decode()

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_an_answer_leaves_through_the_outbox_and_closes_the_reply(as_role, newsletter, channel):
    reply = write(newsletter, channel, 7)

    as_role("editor").post(f"/desk/inbox/{reply.pk}/answer/", {"text": "Am Freitag."})

    assert Delivery.objects.get().address == reply.address_id
    reply.refresh_from_db()
    assert reply.handled_by.name == "Petra Probe"
    assert AuditEntry.objects.filter(action="reply.answered").count() == 1


def test_an_empty_answer_is_not_sent(as_role, newsletter, channel):
    reply = write(newsletter, channel, 7)

    as_role("editor").post(f"/desk/inbox/{reply.pk}/answer/", {"text": "  "})

    assert Delivery.objects.count() == 0
    assert Reply.objects.get().handled_at is None


def test_handled_replies_move_to_their_own_list(as_role, newsletter, channel):
    reply = write(newsletter, channel, 7)
    client = as_role("editor")

    client.post(f"/desk/inbox/{reply.pk}/handled/")

    assert HEARD not in client.get("/desk/inbox/").content.decode()
    assert HEARD in client.get("/desk/inbox/?handled=1").content.decode()


# --- Subscribers ---------------------------------------------------------------------------------


def test_subscribers_are_masked_for_those_who_send_and_for_the_dpo(as_role, newsletter, channel):
    subscribe(newsletter, channel, 7, topics=["sport"])

    for role, scope in (("publisher", newsletter), ("dpo", None)):
        page = as_role(role, scope).get("/desk/subscribers/").content.decode()
        assert "Sport" in page
        assert "00000007" not in page


def test_an_editor_has_no_list_of_subscribers(as_role, newsletter):
    assert as_role("editor").get("/desk/subscribers/").status_code == 403


def test_filters_narrow_the_list_and_never_widen_it(as_role, newsletter, foreign, channel):
    subscribe(newsletter, channel, 1, topics=["sport"])
    subscribe(newsletter, channel, 2, topics=["lokales"], language="en")
    subscribe(foreign, channel, 3)
    client = as_role("publisher")

    def count(query=""):
        return client.get(f"/desk/subscribers/{query}").context["total"]

    sport = newsletter.topics.get(slug="sport").pk
    assert (count(), count("?language=en"), count(f"?topic={sport}")) == (2, 1, 1)
    assert count(f"?newsletter={foreign.pk}") == 2  # no choice of theirs: it narrows nothing
    assert count("?status=withdrawn") == 0


def test_csv_holds_the_narrowed_list_masked_and_is_written_down(as_role, newsletter, channel):
    subscribe(newsletter, channel, 1, topics=["sport"])
    subscribe(newsletter, channel, 2, language="en")

    answer = as_role("publisher").post("/desk/subscribers/export/?language=de")

    lines = b"".join(answer.streaming_content).decode().strip().splitlines()
    assert len(lines) == 2
    assert "000001" not in lines[1]
    assert AuditEntry.objects.filter(action="subscription.exported").count() == 1


# --- Segments ------------------------------------------------------------------------------------

RULE = {
    "name": "Sport auf Deutsch",
    "r.kind": "all",
    "r.0.kind": "topic",
    "r.0.topic": ["sport"],
    "r.1.kind": "any",
    "r.1.0.kind": "language",
    "r.1.0.not": "not",
    "r.1.0.language": ["en"],
}
STORED = {"all": [{"topic": ["sport"]}, {"any": [{"not": {"language": ["en"]}}]}]}


def test_builder_saves_the_rule_that_its_rows_say(as_role, newsletter):
    answer = as_role("editor").post(f"/desk/newsletters/{newsletter.pk}/segments/new/", RULE)

    assert answer.status_code == 302
    assert Segment.objects.get().rule == STORED


def test_builder_shows_a_saved_rule_as_it_was_built(as_role, newsletter):
    segment = Segment.objects.create(newsletter=newsletter, name="Sport", rule=STORED)

    page = as_role("editor").get(f"/desk/segments/{segment.pk}/").content.decode()

    assert re.search(r'name="r.0.topic" value="sport" checked', page)
    assert re.search(r'name="r.1.0.language" value="en" checked', page)
    assert re.search(r'id="r.1.0-not">.*?value="not" selected', page, re.DOTALL)


def test_buttons_of_the_builder_work_without_script(as_role, newsletter):
    client, path = as_role("editor"), f"/desk/newsletters/{newsletter.pk}/segments/new/"

    more = client.post(path, {**RULE, "do": "row:r"}).content.decode()
    fewer = client.post(path, {**RULE, "do": "drop:r.0"}).content.decode()

    assert 'name="r.2.kind"' in more
    assert 'value="sport" checked' in more
    assert 'value="sport" checked' not in fewer
    assert Segment.objects.count() == 0


def test_count_follows_the_rule_being_written(as_role, newsletter, channel):
    for number, topics in enumerate([["sport"], ["sport"], ["lokales"]]):
        subscribe(newsletter, channel, number, topics=topics)

    page = as_role("editor").post(f"/desk/newsletters/{newsletter.pk}/count/", RULE)

    assert "<b>2</b>" in page.content.decode()


def test_two_segments_of_one_name_are_refused_beside_the_field(as_role, newsletter):
    Segment.objects.create(newsletter=newsletter, name=RULE["name"], rule={})

    answer = as_role("editor").post(f"/desk/newsletters/{newsletter.pk}/segments/new/", RULE)

    assert answer.status_code == 422
    assert "id_name_error" in answer.content.decode()


def test_a_segment_of_another_newsletter_does_not_exist(as_role, newsletter, foreign):
    segment = Segment.objects.create(newsletter=foreign, name="Fremd", rule={})
    client = as_role("editor")

    assert client.get(f"/desk/segments/{segment.pk}/").status_code == 404
    assert client.post(f"/desk/segments/{segment.pk}/drop/").status_code == 404
    assert "Fremd" not in client.get("/desk/segments/").content.decode()


# --- Newsletters ---------------------------------------------------------------------------------

FACTS = {
    "name": "Abendblatt",
    "slug": "abendblatt",
    "publisher": "Verlag",
    "imprint_url": "https://example.org/imprint",
    "what_de": "Nachrichten am Abend",
    "what_en": "News in the evening",
    "frequency_de": "werktags",
    "frequency_en": "on weekdays",
    "time_zone": "Europe/Berlin",
    "daily_cap": "3",
}


def test_a_new_newsletter_comes_with_its_texts(as_role, newsletter, channel):
    client = as_role("administrator", None)

    answer = client.post("/desk/newsletters/new/", FACTS | {"channels": [str(channel.pk)]})

    made = Newsletter.objects.get(slug="abendblatt")
    assert answer.headers["Location"] == f"/desk/newsletters/{made.pk}/texts/"
    assert made.wordings.count() == 2
    assert AuditEntry.objects.filter(action="newsletter.created").count() == 1


def test_settings_change_what_may_change_and_not_the_address(as_role, newsletter, channel):
    other = make_channel("email", "Post")
    facts = FACTS | {"slug": "elsewhere", "channels": [str(other.pk)]}

    as_role("administrator", None).post(f"/desk/newsletters/{newsletter.pk}/", facts)

    newsletter.refresh_from_db()
    assert (newsletter.name, newsletter.slug) == ("Abendblatt", "stadtanzeiger")
    assert list(newsletter.channels.all()) == [other]


def test_an_editor_reads_the_settings_and_changes_nothing(as_role, newsletter):
    client, path = as_role("editor"), f"/desk/newsletters/{newsletter.pk}/"

    assert client.get(path).status_code == 200
    client.post(path, FACTS)

    newsletter.refresh_from_db()
    assert newsletter.name == "Stadtanzeiger"


def test_topics_are_added_renamed_and_removed(as_role, newsletter):
    client, path = as_role("administrator", None), f"/desk/newsletters/{newsletter.pk}/topics/"

    client.post(path, {"name_de": "Über uns", "name_en": "About us"})
    made = Topic.objects.get(slug="ueber-uns")
    prefix = made.slug
    renamed = {f"{prefix}-name_de": "Wir", f"{prefix}-name_en": "We", f"{prefix}-position": "9"}
    client.post(f"{path}{made.pk}/", renamed)
    made.refresh_from_db()
    assert (made.name_de, made.slug, made.position) == ("Wir", "ueber-uns", 9)

    client.post(f"{path}{made.pk}/", {"drop": "1"})
    assert not Topic.objects.filter(pk=made.pk).exists()


def test_a_keyword_that_would_hinder_leaving_is_refused(as_role, newsletter):
    client, path = as_role("administrator", None), f"/desk/newsletters/{newsletter.pk}/words/"
    word = {"word": "MOIN", "language": "de", "intent": "start"}

    client.post(path, word)
    refused = client.post(path, word | {"word": "STOPP"}).content.decode()

    assert list(Keyword.objects.values_list("word", flat=True)) == ["MOIN"]
    assert "id_word_error" in refused


def test_a_text_that_advertises_is_not_published(as_role, newsletter):
    client = as_role("administrator", None)
    path = f"/desk/newsletters/{newsletter.pk}/texts/"
    bare = client.post(path + "notice/de/", {"text": "Wir speichern.", "publish": "1"})
    assert newsletter.notices.count() == 0
    assert "error-summary" in bare.content.decode()
    publish_defaults(newsletter=newsletter, channels=[], actor=SYSTEM)
    draft = client.get(path + "simulator/de/").context["form"].initial["text"]

    refused = client.post(path + "simulator/de/", {"text": draft + " Gratis!", "publish": "1"})
    assert newsletter.wordings.count() == 0
    assert "error-summary" in refused.content.decode()

    client.post(path + "simulator/de/", {"text": draft, "publish": "1"})
    assert newsletter.wordings.count() == 1


def test_preview_publishes_nothing(as_role, newsletter):
    client = as_role("administrator", None)
    path = f"/desk/newsletters/{newsletter.pk}/texts/notice/de/"

    page = client.post(path, {"text": "# Neu\n\n<script>x</script>", "preview": "1"})

    assert "<h2>Neu</h2>" in page.content.decode()
    assert newsletter.notices.count() == 0


# --- Imports -------------------------------------------------------------------------------------

LIST = b"""Telefon;Einwilligung am;Quelle;Themen
+49 176 04069001;01.02.2024;Formular auf der Website;Sport
+49 176 04069002;;;
0176 04069001;01.02.2024;Formular;Sport
"""


@pytest.fixture
def uploaded(as_role, newsletter, channel):
    """A checked list, and the publisher who brought it."""
    client = as_role("publisher")
    fields = {"newsletter": newsletter.pk, "channel": channel.pk, "legal_basis": "consent"}
    file = SimpleUploadedFile("leute.csv", LIST)
    answer = client.post("/desk/imports/new/", fields | {"file": file})
    assert answer.status_code == 302, answer.context["form"].errors
    return answer.headers["Location"]


def test_check_reports_line_by_line_without_addresses(client, uploaded):
    page = client.get(uploaded).content.decode()
    download = b"".join(client.get(uploaded + "report.csv").streaming_content).decode()

    assert [line for line, _reason in client.get(uploaded).context["report"]] == [3, 4]
    assert download.count("\r\n") == 3
    assert "4069001" not in page + download
    assert Subscription.objects.count() == 0


def test_loaded_people_wait_until_somebody_else_approves(as_role, client, uploaded):
    client.post(uploaded + "load/")
    client.post(uploaded + "approve/")
    assert Subscription.objects.get().status == Subscription.Status.IMPORTED
    assert Gate.objects.get().is_open is False

    as_role("dpo", None).post(uploaded + "approve/")

    assert Subscription.objects.get().status == Subscription.Status.CONFIRMED
    assert Gate.objects.get().is_open is True


def test_who_uploads_does_not_approve_even_with_both_roles(as_role, client, uploaded):
    user = User.objects.get()
    Grant.objects.create(user=user, role=Grant.Role.DPO)
    client.post(uploaded + "load/")

    client.post(uploaded + "approve/")

    assert Gate.objects.get().is_open is False
    assert Import.objects.get().status == Import.Status.LOADED


def test_a_refused_list_leaves_nobody_behind(as_role, client, uploaded):
    client.post(uploaded + "load/")
    assert Subscription.objects.count() == 1

    as_role("dpo", None).post(uploaded + "reject/")

    assert Subscription.objects.count() == 0


def test_a_file_that_is_no_list_is_refused_beside_the_field(as_role, newsletter, channel):
    fields = {"newsletter": newsletter.pk, "channel": channel.pk, "legal_basis": "consent"}
    file = SimpleUploadedFile("bild.png", b"\x89PNG\r\n\x1a\n" + bytes(200))

    page = as_role("publisher").post("/desk/imports/new/", fields | {"file": file})

    assert "id_file_error" in page.content.decode()
    assert Import.objects.count() == 0


def test_an_editor_has_no_imports(as_role, newsletter):
    assert as_role("editor").get("/desk/imports/").status_code == 403


# --- Lists do not ask per row --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/desk/inbox/", "editor"),
        ("/desk/segments/", "editor"),
        ("/desk/newsletters/", "administrator"),
        ("/desk/subscribers/", "publisher"),
        ("/desk/imports/", "dpo"),
    ],
)
def test_lists_need_the_same_number_of_queries_for_one_and_three_rows(
    as_role, newsletter, channel, path, role
):
    def add(number):
        write(newsletter, channel, number)
        Segment.objects.create(newsletter=newsletter, name=f"S{number}", rule={})
        make_newsletter(f"blatt-{number}", channels=[channel])
        Import.objects.create(
            newsletter=newsletter,
            channel=channel,
            uploaded_by=make_staff("publisher", email=f"p{number}@example.org"),
            uploaded_at=timezone.now(),
        )

    client = as_role(role, None)
    add(1)
    client.get(path)
    with_one = queries_of(client, path)
    add(2)
    add(3)

    assert queries_of(client, path) == with_one
