"""What the desk says about trials, doubts, breakers and quiet hours, and what it lets people do."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from broadcasts import actions
from broadcasts.models import Broadcast, DoubtPolicy, SendingRules
from broadcasts.queries import account, causes_of_doubt
from broadcasts.queries.doubts import MEANINGS, kind_of
from broadcasts.queries.results import CAUSES
from messengers import breaker, outbox
from messengers.models import Channel, Delivery
from tests.broadcasts.house import make_draft, make_staff
from tests.broadcasts.test_actions import settle_all


@pytest.fixture
def enter(settings):
    settings.JAWORT_DEMO = True  # the second factor has tests of its own

    def sign_in(user, language="en"):
        client = Client(headers={"accept-language": language})
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def desk(enter, user):
    return enter(user)


@pytest.fixture
def running(draft, publisher):
    return actions.start(draft, actor=publisher, idempotency_key="k")


@pytest.fixture
def doubtful(running):
    """One accepted, one lost by the messenger, one by us."""
    settle_all(running, "accepted", "in_doubt", "in_doubt", cause="timeout")
    ours = Delivery.objects.filter(status="in_doubt").first()
    Delivery.objects.filter(pk=ours.pk).update(cause="worker_lost")
    outbox.control.recount({ours.batch_id: ours.dispatch_id})
    actions.follow_dispatches(timezone.now())
    running.refresh_from_db()
    return running


def at(name, row, **more):
    return reverse(name, kwargs={"pk": row.pk, **more})


def text(response):
    return response.content.decode()


SENTENCE = "1 accepted, 2 in doubt (1 answer lost by the messenger, 1 our crash)"


def test_the_report_reads_as_one_sentence_in_both_languages(desk, enter, user, doubtful):
    results = text(desk.get(at("broadcast", doubtful)))
    assert SENTENCE in results
    assert "Jawort never sends it again by itself." in results
    page = text(desk.get(at("broadcast_doubts", doubtful)))
    assert SENTENCE in page
    assert "0 unaccounted" in page

    german = text(enter(user, "de").get(at("broadcast_doubts", doubtful)))

    assert (
        "1 angenommen, 2 ungewiss (1: Antwort vom Messenger verloren, 1: Absturz bei uns)" in german
    )


def test_an_account_that_does_not_add_up_says_so(doubtful):
    from messengers.models import Dispatch

    Dispatch.objects.update(size=5)

    assert account(doubtful).unaccounted == 2


def test_each_cause_says_what_it_means_and_what_to_do(desk, doubtful):
    page = text(desk.get(at("broadcast_doubts", doubtful)))

    for group in causes_of_doubt(doubtful):
        assert group.label in page
        assert group.meaning in page
        assert group.key in page
    assert "One of our own programs ended" in page
    assert "status page" in page


def test_whatever_may_be_in_doubt_has_a_meaning():
    transports = [cause for cause in CAUSES if kind_of(cause) in MEANINGS]

    assert len(transports) == len(CAUSES)
    assert kind_of("http_502") == "http"
    assert kind_of("timeout") == "timeout"
    assert kind_of("answer_cut_off") == "line"
    assert kind_of("accepted_without_an_id") == "senseless"


def test_a_whole_cause_is_settled_by_one_click(desk, doubtful):
    lost = next(group for group in causes_of_doubt(doubtful) if "timeout" in group.causes)
    url = at("broadcast_doubts", doubtful)

    page = text(desk.post(url, {"cause": lost.key, "decision": "not_sent"}, follow=True))

    assert "Your decision about 1 message is written down." in page
    causes = Delivery.objects.filter(status="in_doubt").values_list("cause", flat=True)
    assert list(causes) == ["worker_lost"]
    assert desk.post(url, {"cause": "unknown", "decision": "sent"}).status_code == 404
    assert desk.post(url, {"decision": "sent"}).status_code == 404


def test_the_people_of_one_cause_are_listed_masked(desk, doubtful):
    ours = next(group for group in causes_of_doubt(doubtful) if "worker_lost" in group.causes)
    page = text(desk.get(at("broadcast_doubts", doubtful), {"cause": ours.key}))

    assert page.count('name="delivery"') == 1
    assert "•••" in page
    assert "+4917600" not in page


def test_where_doubts_are_sent_again_by_themselves_the_page_says_so(desk, doubtful, channel):
    assert "by themselves" not in text(desk.get(at("broadcast_doubts", doubtful)))
    Channel.objects.update(on_doubt="resend")

    page = text(desk.get(at("broadcast_doubts", doubtful)))

    assert f"On {channel.name} an administrator has chosen" in page
    assert "never sends it again" not in text(desk.get(at("broadcast", doubtful)))


def test_an_administrator_chooses_with_a_reason(enter, channel):
    admin = enter(make_staff("administrator"))
    url = at("channel_doubts", channel)
    admin.get(url)

    refused = text(admin.post(url, {"policy": "resend", "reason": " "}))
    assert DoubtPolicy.objects.count() == 0
    page = text(admin.post(url, {"policy": "resend", "reason": "Flood alarm"}, follow=True))

    assert "field is required" in refused
    assert "Flood alarm" in page
    channel.refresh_from_db()
    assert channel.on_doubt == "resend"
    assert url in text(admin.get(reverse("channel", args=[channel.pk])))


def test_an_administrator_sets_the_trial_and_the_editor_sees_it(
    enter, desk, newsletter, publisher, readers
):
    admin = enter(make_staff("administrator"))
    url = at("newsletter_rules", newsletter)
    filled = {
        "canary_size": 2, "canary_minutes": 5, "failures_percent": 10, "doubts_percent": 5,
        "opt_outs_percent": 2,
    }  # fmt: skip

    refused = admin.post(url, filled | {"failures_percent": 101})
    assert refused.status_code == 200
    assert not SendingRules.objects.exists()
    admin.post(url, filled)

    draft = make_draft(newsletter, publisher)
    assert "2 people first" in text(desk.get(at("broadcast_send", draft)))
    assert "As usual: 2 people" in text(desk.get(at("broadcast_edit", draft)))
    assert "2 people first" not in text(desk.get(at("broadcast_send", edited(draft, publisher))))


def edited(draft, publisher) -> Broadcast:
    return actions.edit_broadcast(broadcast=draft, actor=publisher, canary_size=0)


@pytest.mark.parametrize(
    ("canary", "done", "said"),
    [
        ("waiting", False, "The trial batch is being sent"),
        ("waiting", True, "everybody else follows at"),
        ("passed", True, "Trial batch: 50 people, 2 refused, 1 in doubt, 0 left. Went well."),
        ("stopped", True, "Stopped the broadcast."),
        ("", False, "2 of 3"),
    ],
)
def test_how_the_trial_stands_is_said_beside_the_bar(desk, running, canary, done, said):
    settle_all(running, "accepted", "accepted", "queued")
    found = {"people": 50, "failures": 2, "doubts": 1, "opt_outs": 0}
    Broadcast.objects.update(
        canary=canary,
        canary_done_at=timezone.now() if done else None,
        canary_found=found if canary in ("passed", "stopped") else None,
    )

    page = text(desk.get(at("broadcast_progress", running)))

    assert said in page
    assert ("rial batch" in page) == bool(canary)
    assert ("Send to everybody now" in page) == (canary == "waiting")
    if canary == "waiting":
        desk.post(at("broadcast_end_trial", running))
        running.refresh_from_db()
        assert running.canary == "overrule"


def test_a_broken_channel_is_named_before_and_while_sending(desk, running, newsletter, publisher):
    breaker.note(running.newsletter.channels.get().pk, doubts=20, in_a_row=20, answered=0)

    before = text(desk.get(at("broadcast_send", make_draft(newsletter, publisher))))
    Broadcast.objects.filter(pk=running.pk).update(status="paused", status_why="too_many_doubts")
    during = text(desk.get(at("broadcast", running)))

    assert "Too many answers were lost: broadcasts wait" in before
    assert "tried again by itself" in during


def test_what_cannot_wait_is_sent_at_night_with_a_reason(desk, running, newsletter):
    now = timezone.localtime()
    newsletter.quiet_from = (now - timedelta(hours=1)).time().replace(second=0, microsecond=0)
    newsletter.quiet_until = (now + timedelta(hours=1)).time().replace(second=0, microsecond=0)
    newsletter.time_zone = timezone.get_current_timezone_name()
    newsletter.save()
    actions.keep_quiet_hours(timezone.now())
    running.refresh_from_db()
    assert "Send it in the quiet hours" in text(desk.get(at("broadcast", running)))

    desk.post(at("broadcast_resume", running))
    running.refresh_from_db()
    assert running.status == "paused"
    desk.post(at("broadcast_resume", running), {"urgent_why": "Evacuation"})

    running.refresh_from_db()
    assert (running.status, running.urgent_why) == ("running", "Evacuation")
    assert "Evacuation" in text(desk.get(at("broadcast", running)))
