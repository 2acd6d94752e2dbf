from datetime import timedelta
from itertools import pairwise

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from messengers.addresses import find_address, get_or_create_address
from messengers.contract import BadAddress, Content
from messengers.models import Address, Delivery, Dispatch, Gate
from messengers.outbox import reply
from privacy.models import AuditEntry, DataSubject, Suppression
from privacy.suppression import fingerprint, suppress
from privacy.vault import token_hash
from subscriptions import caps
from subscriptions.actions import (
    ask_by_form,
    confirm_opt_in,
    decline_opt_in,
    lapse,
    object_to,
    request_opt_in,
    set_topics,
    toggle_topic,
    withdraw,
)
from subscriptions.errors import NotOffered, OptInExpired, OptInGone
from subscriptions.models import ConsentRecord, ContactCap, OptIn, Subscription

from .conftest import MAIL, PHONE, make_newsletter, outgoing

pytestmark = pytest.mark.django_db


def ask(newsletter, channel, identifier=MAIL, **more):
    given = {"language": "de", **more}
    before = set(Dispatch.objects.values_list("pk", flat=True))
    ask_by_form(newsletter=newsletter, channel=channel, identifier=identifier, **given)
    return outgoing(before)


def confirm(opt_in, **more):
    event_at = more.get("event_at", timezone.now())
    return confirm_opt_in(
        opt_in=opt_in, method="link", event_at=event_at, evidence={"form": "page/1"}
    )


def test_the_form_sends_one_mail_with_the_wording_and_a_link_that_works_once(newsletter, mail):
    (sent,) = ask(newsletter, mail)

    token = sent.values["confirm_url"].rstrip("/").rsplit("/", 1)[1]
    opt_in = OptIn.objects.get(token_hash=token_hash("confirm", token))
    assert reverse("confirm", args=[token]) in sent.text
    assert sent.markdown == opt_in.wording.text
    assert sent.buttons == []
    assert sent.dispatch.content["subject"] == "{newsletter}: Bitte bestätigen Sie Ihre Anmeldung"
    assert token not in str(sent.dispatch.content)

    confirm(opt_in)
    with pytest.raises(OptInGone):
        confirm(opt_in)
    assert Subscription.objects.get().source == "web"


def test_nobody_can_be_bombed_with_confirmations(mail):
    sent = []
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for hour in range(40 * 24):
            for _ in range(4 if hour % 8 == 0 else 1):
                if caps.take("confirmation", mail, MAIL):
                    sent.append(timezone.now())
                clock.shift(timedelta(minutes=4))
            clock.shift(timedelta(minutes=44))

    assert min(later - earlier for earlier, later in pairwise(sent)) >= timedelta(minutes=10)
    for moment in sent:
        assert sum(moment <= other < moment + timedelta(days=1) for other in sent) <= 3
        assert sum(moment <= other < moment + timedelta(days=30) for other in sent) <= 5
    assert len(sent) >= 6  # the cap forgets: after 30 days one may ask again


def test_the_cap_survives_the_erasure_of_the_request(newsletter, mail):
    assert len(ask(newsletter, mail)) == 1
    OptIn.objects.all().delete()
    Address.objects.all().delete()

    assert ask(newsletter, mail) == []
    assert MAIL not in str(list(ContactCap.objects.values()))


def test_an_answered_question_does_not_hold_up_the_next_one(say, chat):
    make_newsletter("Küstenpost", chat)
    say("START Stadtanzeiger")
    say("JA")

    (asked,) = say("START Küstenpost")

    assert "Küstenpost" in asked.text


def test_a_suppressed_address_is_not_written_to_from_a_form(newsletter, mail):
    suppress(fingerprint("email", MAIL), "email", reason="erasure")

    assert ask(newsletter, mail) == []
    assert OptIn.objects.count() == 0


def test_only_the_persons_own_confirmation_lifts_a_suppression(newsletter, chat, say):
    suppress(fingerprint("simulator", PHONE), "simulator", reason="erasure")

    say("START")
    assert Suppression.objects.count() == 1
    say("JA")

    assert Suppression.objects.count() == 0
    assert AuditEntry.objects.filter(action="suppression.lifted").count() == 1


def test_who_gets_it_already_is_told_so_at_most_once_a_day(newsletter, mail):
    ask(newsletter, mail)
    confirm(OptIn.objects.get())

    (told,) = ask(newsletter, mail)
    assert "bekommen" in told.text
    assert "confirm_url" not in told.values
    assert ask(newsletter, mail) == []
    assert OptIn.objects.count() == 0


def test_what_is_no_address_is_refused_before_anything_is_looked_up(newsletter, mail):
    with pytest.raises(BadAddress):
        ask(newsletter, mail, "no address")
    assert Address.objects.count() == 0


def test_a_newsletter_is_asked_for_only_where_it_is_offered(newsletter, chat):
    address = get_or_create_address(chat, PHONE)
    newsletter.channels.remove(chat)

    with pytest.raises(NotOffered):
        request_opt_in(
            address=address, newsletter=newsletter, language="de", method="keyword",
            event_at=timezone.now(), evidence={},
        )  # fmt: skip


@pytest.mark.parametrize(("kind", "hours"), [("chat", 72), ("mail", 48)])
def test_an_answer_after_the_term_confirms_nothing(newsletter, chat, mail, kind, hours):
    channel = {"chat": chat, "mail": mail}[kind]
    ask(newsletter, channel, {"chat": PHONE, "mail": MAIL}[kind])
    opt_in = OptIn.objects.get()
    late = timezone.now() + timedelta(hours=hours, seconds=1)

    with pytest.raises(OptInExpired):
        confirm(opt_in, event_at=late)

    assert Subscription.objects.count() == 0
    confirm(opt_in, event_at=late - timedelta(minutes=1))
    assert Subscription.objects.count() == 1


def test_a_new_question_replaces_the_open_one(newsletter, chat, mail):
    ask(newsletter, mail)
    first = OptIn.objects.get()
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        ask(newsletter, mail)

    assert OptIn.objects.get().pk != first.pk
    with pytest.raises(OptInGone):
        confirm(first)


def test_topics_chosen_in_the_form_are_those_of_the_subscription(newsletter, mail):
    ask(newsletter, mail, topics=[newsletter.topics.get(slug="sport")])

    subscription = confirm(OptIn.objects.get())

    assert list(subscription.topics.values_list("slug", flat=True)) == ["sport"]


def test_a_person_under_restriction_is_not_asked_anything_new(newsletter, mail):
    address = get_or_create_address(mail, MAIL)
    DataSubject.objects.filter(pk=address.subject).update(status="restricted")

    assert ask(newsletter, mail) == []


def test_declining_may_come_twice(newsletter, mail):
    ask(newsletter, mail)
    opt_in = OptIn.objects.get()

    assert decline_opt_in(opt_in=opt_in)
    assert not decline_opt_in(opt_in=opt_in)


def test_coming_back_is_a_renewed_consent_with_a_new_proof(say):
    say("START")
    say("JA")
    say("STOP")
    say("START")
    say("JA")

    states = list(ConsentRecord.objects.order_by("id").values_list("state", flat=True))
    assert states == ["given", "withdrawn", "renewed"]
    assert Subscription.objects.get().ended_at is None


def test_a_withdrawal_erases_an_open_question_too(say, chat):
    say("START")
    withdraw(
        address=find_address(chat, PHONE), method="keyword", event_at=timezone.now(), evidence={}
    )

    say("JA")

    assert Subscription.objects.count() == 0


def waiting():
    rows = Delivery.objects.filter(status="queued").order_by("pk")
    return [delivery.dispatch for delivery in rows.select_related("dispatch")]


def end_all(chat):
    stop = {"method": "keyword", "event_at": timezone.now(), "evidence": {}}
    return withdraw(address=find_address(chat, PHONE), **stop)


def test_a_question_that_still_waits_does_not_leave_after_a_stop(say, chat):
    say("START")
    (question,) = waiting()
    assert question.kind == "confirmation"

    end_all(chat)

    assert waiting() == []
    question.refresh_from_db()
    # A worker that has taken it already asks the dispatch before each intent.
    assert question.status == "cancelled"


def test_a_welcome_that_still_waits_does_not_leave_after_a_stop_but_the_farewell_does(say):
    say("START")
    say("JA")
    welcome = waiting()[-1]

    (farewell,) = say("STOP")
    say("STOP")

    left = waiting()
    assert welcome not in left
    assert left[0] == farewell.dispatch


def test_leaving_one_newsletter_keeps_the_question_of_another(say, chat, newsletter):
    say("START")
    say("JA")
    other = make_newsletter("Abendblatt", chat)
    asked = {"method": "keyword", "event_at": timezone.now(), "evidence": {}}
    address = find_address(chat, PHONE)
    assert request_opt_in(address=address, newsletter=other, language="de", **asked)
    question = waiting()[-1]

    assert {one.kind for one in waiting()} == {"confirmation", "reply"}

    withdraw(subscription=Subscription.objects.get(), **asked)

    assert question in waiting()
    assert {one.kind for one in waiting()} == {"confirmation"}


def test_an_answer_to_a_request_still_leaves_after_a_stop(say, chat):
    say("START")
    say("JA")
    content = Content("{text}", "de", purpose="reply")
    address = find_address(chat, PHONE)
    values = {"text": "Ihre Daten"}
    kept = reply(address=address, content=content, values=values, kind=Dispatch.Kind.ANSWER)

    end_all(chat)

    assert waiting() == [kept]


@pytest.mark.parametrize("change", ["set", "toggle"])
def test_topics_chosen_on_a_page_opened_before_the_stop_renew_nothing(say, chat, change):
    say("START")
    say("JA")
    opened = Subscription.objects.get()
    topic = opened.newsletter.topics.get(slug="sport")
    how = {"method": "web", "event_at": timezone.now(), "evidence": {}}
    end_all(chat)
    before = ConsentRecord.objects.count()

    if change == "set":
        set_topics(subscription=opened, topics=[topic], **how)
    else:
        assert toggle_topic(subscription=opened, topic=topic, **how) == []

    assert ConsentRecord.objects.count() == before
    assert ConsentRecord.objects.latest("id").state == "withdrawn"
    assert opened.topics.count() == 0


@pytest.mark.parametrize(
    ("end", "status", "reason", "state"),
    [
        (lambda s: object_to(subscription=s, method="web", event_at=timezone.now(), evidence={}),
         "objected", "objected", "objected"),
        (lambda s: lapse(subscription=s, event_at=timezone.now()), "lapsed", "lapsed", "expired"),
    ],
)  # fmt: skip
def test_other_ends_close_the_gate_with_their_reason(say, end, status, reason, state):
    say("START")
    say("JA")
    subscription = Subscription.objects.get()

    end(subscription)

    subscription.refresh_from_db()
    assert subscription.status == status
    assert Gate.objects.get().reason == reason
    assert ConsentRecord.objects.latest("id").state == state
