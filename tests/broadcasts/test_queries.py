"""Previews, progress and results: what pages, the interface and exports are made of."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import override
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadcasts import actions
from broadcasts.audience import reach
from broadcasts.content import channels_of, message
from broadcasts.queries import preview, previews, progress, results, results_table
from broadcasts.words import why
from messengers.models import Batch, Delivery
from messengers.placeholders import NAMES
from tests.broadcasts.house import make_channel, make_draft, subscribe
from tests.broadcasts.pictures import picture
from tests.broadcasts.test_actions import settle_all


@pytest.fixture
def mail(newsletter):
    channel = make_channel("email", "Mail")
    newsletter.channels.add(channel)
    return channel


def written(markdown, **fields):
    return message(title=fields.pop("title", "Titel"), markdown=markdown, language="de", **fields)


# Previews


def test_a_preview_is_what_the_adapter_renders(draft, mail, user):
    found = preview(draft, user)

    assert set(found) == {"simulator", "email"}
    chat, letter = found["simulator"], found["email"]
    assert chat.named.message.text == "Guten Morgen, Petra! Die *Brücke* ist zu."
    assert chat.nameless.message.text == "Guten Morgen, Leserin! Die *Brücke* ist zu."
    assert chat.differs
    assert letter.named.message.subject == "Brücke gesperrt"
    assert letter.named.is_document
    assert "Petra" in letter.named.html


def test_a_text_without_names_has_one_version(newsletter):
    (chat,) = previews(written("Für alle gleich."), newsletter)

    assert chat.named.message == chat.nameless.message
    assert not chat.differs


def test_the_length_is_that_of_the_longer_version(newsletter, user):
    (chat,) = previews(written("{first_name|liebe Leserin}"), newsletter, user)

    assert (chat.length, chat.limit, chat.unit) == (len("liebe Leserin"), 4096, "characters")


def test_a_text_too_long_is_told_with_its_length(newsletter):
    (chat,) = previews(written("x" * 5000), newsletter)

    assert (chat.length, chat.is_over, chat.named) == (5000, True, None)
    assert len(chat.problems) == 1


def test_a_picture_makes_the_limit_that_of_a_caption(newsletter, publisher):
    row = actions.add_picture(newsletter=newsletter, upload=picture(), actor=publisher)

    (chat,) = previews(written("Bild", image=row, image_alt="Rot"), newsletter)

    assert chat.limit == 1024


def test_problems_speak_the_readers_language(newsletter):
    with override("de"):
        german = previews(written("{salary|viel}"), newsletter)[0].problems
    with override("en"):
        english = previews(written("{salary|viel}"), newsletter)[0].problems

    assert len(german) == len(english) == 1


def test_two_accounts_at_one_messenger_are_shown_once(newsletter):
    newsletter.channels.add(make_channel(name="Zweites Konto"))

    assert len(previews(written("Hallo"), newsletter)) == 1


@given(
    st.text(
        alphabet=st.sampled_from("{}|ab_*[]()!#>-<>\"'& \n:/.первый🙂" + "first_name"), max_size=80
    )
)
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_is_written_the_preview_stands_and_shows_no_markup_of_theirs(newsletter, text):
    (chat,) = previews(written(text), newsletter)

    for shown in (chat.named, chat.nameless):
        if shown:
            tags = shown.html.split("<")[1:]
            allowed = ("strong>", "/strong>", "em>", "/em>", "code>", "/code>", "br>", "a href=",
                       "/a>", "blockquote>", "/blockquote>")  # fmt: skip
            assert all(tag.startswith(allowed) for tag in tags), text
    assert chat.named or chat.problems


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=20))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_only_listed_placeholders_exist(newsletter, name):
    (chat,) = previews(written(f"a {{{name}|b}} c"), newsletter)

    assert bool(chat.problems) == (name not in NAMES)


# Progress


@pytest.fixture
def running(draft, publisher):
    return actions.start(draft, actor=publisher, idempotency_key="k")


def test_a_draft_has_no_progress(draft):
    told = progress(draft)

    assert (told.size, told.done, told.percent, told.states) == (0, 0, 0, ())


def test_the_states_sum_to_the_snapshot(running):
    told = progress(running)
    assert (told.size, told.done) == (3, 0)
    assert sum(state.count for state in told.states) == 3

    settle_all(running, "accepted", "failed", "in_doubt")

    told = progress(running)
    assert (told.size, told.done, told.percent) == (3, 3, 100)
    assert {state.status: state.count for state in told.states} == {
        "accepted": 1,
        "failed": 1,
        "in_doubt": 1,
    }
    assert told.batches_done == 1


def test_asking_for_progress_is_cheap_whatever_the_size(running, newsletter, publisher, channel):
    with CaptureQueriesContext(connection) as few:
        progress(running)
    for number in range(100, 130):
        subscribe(newsletter, channel, number)
    larger = actions.start(
        make_draft(newsletter, publisher), actor=publisher, idempotency_key="larger"
    )

    with CaptureQueriesContext(connection) as many:
        assert progress(larger).size == 33

    assert len(many) == len(few) <= 5


def test_batches_are_shown_up_to_what_somebody_reads(running, channel):
    first = Batch.objects.get(dispatch=running.dispatch)
    Batch.objects.bulk_create(
        Batch(
            dispatch_id=running.dispatch,
            channel=channel,
            number=number,
            size=2,
            status="done" if number <= 60 else "waiting",
            due_at=first.due_at,
            counts={"accepted": 2},
        )
        for number in range(2, 81)
    )

    told = progress(running)

    numbers = [batch.number for batch in told.batches]
    assert len(numbers) == 50
    assert {1, *range(61, 81)} <= set(numbers)
    assert numbers == sorted(numbers)
    assert (told.batch_total, told.batches_done, told.hidden_batches) == (80, 59, 30)
    assert (told.size, told.by_channel) == (3 + 2 * 79, ((channel.name, 3 + 2 * 79),))


def test_a_silent_channel_says_why(running, channel):
    assert progress(running).silent == ()
    channel.paused_until, channel.paused_why = timezone.now() + timedelta(hours=1), "throttled"
    channel.save()

    with override("en"):
        ((name, reason),) = progress(running).silent

    assert name == "Simulator"
    assert "slow down" in reason


def test_only_what_failed_can_be_tried_again(running):
    settle_all(running, "accepted", "accepted", "in_doubt")
    assert not progress(running).can_retry

    settle_all(running, "accepted", "failed", "in_doubt")
    assert progress(running).can_retry


# Results


def test_results_group_causes_and_count_withdrawals_in_time(running, readers):
    settle_all(running, "failed", "failed", "in_doubt", cause="permanent_recipient")
    Delivery.objects.filter(status="in_doubt").update(cause="worker_lost")
    early, late = readers[0], readers[1]
    early.status, early.ended_at = "withdrawn", running.started_at + timedelta(hours=1)
    late.status, late.ended_at = "withdrawn", running.started_at + timedelta(days=3)
    early.save()
    late.save()

    found = results(running)

    assert (found.reached, found.not_reached, found.in_doubt, found.opt_outs) == (0, 2, 1, 1)
    assert [(group.status, group.bars[0].count) for group in found.causes] == [
        ("in_doubt", 1),
        ("failed", 2),
    ]
    assert [round(bar.width) for bar in found.bars] == [33, 67]


def test_the_table_sums_up(running):
    settle_all(running, "accepted", "failed", "in_doubt", cause="temporary")

    rows = results_table(running)

    assert sum(count for group, *_, count in rows if group == "state") == 3
    assert ("total", "recipients", "", 3) in rows
    assert ("channel", "", "Simulator", 3) in rows


def test_whatever_the_engine_and_the_transports_say_has_words():
    from broadcasts.queries.results import cause_label
    from messengers.contract import Reason
    from messengers.engine.outcomes import token
    from messengers.models import Gate
    from messengers.transports import http

    told = {*http._LOST.values(), *Reason, *Gate.Reason.values, "worker_lost", "http 502"}

    assert {cause for cause in told if cause_label(token(str(cause))) == token(str(cause))} == set()


def test_unknown_reasons_are_shown_as_they_are():
    assert why("some_new_reason") == "some_new_reason"


# The count


def test_the_count_names_channels_and_batches(newsletter, channel, mail, readers):
    subscribe(newsletter, mail, 1)

    found = reach(newsletter, {}, channels_of(newsletter), timezone.now())

    assert (found.total, found.batches, found.left_out) == (4, 2, 0)
    assert {share.channel.name: share.people for share in found.shares} == {
        "Mail": 1,
        "Simulator": 3,
    }


def test_257_people_are_two_batches(newsletter, channel):
    from broadcasts.audience import Share

    assert [Share(channel, people).batches for people in (0, 1, 256, 257, 512)] == [0, 1, 1, 2, 2]


def test_the_count_is_what_a_start_writes(draft, publisher, newsletter, readers):
    newsletter.daily_cap = 1
    newsletter.save()
    first = make_draft(newsletter, publisher, audience={"topic": ["lokales"]})
    actions.start(first, actor=publisher, idempotency_key="first")

    counted = reach(newsletter, {}, channels_of(newsletter), timezone.now())
    started = actions.start(draft, actor=publisher, idempotency_key="k")

    assert (counted.total, counted.left_out) == (2, 1)
    assert Delivery.objects.filter(dispatch=started.dispatch).count() == counted.total
    assert started.left_out == counted.left_out
