# ruff: noqa: F811  # the fixtures of tests/subscriptions are imported, and named again to be used
from datetime import UTC, date, datetime

import orjson
import pytest
from django.db import transaction

from config.inbound import answer_subject, handle, withdraw_now
from messengers.attempts import seal_attempt
from messengers.channels import create_channel
from messengers.contract import OptOutEvent, ReceiptEvent, TextEvent
from messengers.inbox import handle_pending
from messengers.models import Address, Delivery, Dispatch, Gate, InboundEvent
from messengers.signature import signed_headers
from privacy.access import Actor
from privacy.models import AuditEntry
from privacy.requests.actions import ask_identity, open_request
from privacy.vault import KeystoreDown
from subscriptions.models import ConsentRecord, OptIn, Reply, Subscription
from tests.profiles import OWN_HOUSE
from tests.subscriptions.conftest import (  # noqa: F401
    MAIL,
    PHONE,
    Sent,
    chat,
    cheap_fingerprints,
    mail,
    newsletter,
    outgoing,
    say,
)

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)


def text(words, sender=PHONE, **more):
    return TextEvent(ref=f"e-{words}", at=AT, sender=sender, text=words, **more)


def inbound(channel):
    return InboundEvent(channel=channel, kind="text", received_at=AT, day=AT.date())


@pytest.fixture
def subscription(say):
    say("START")
    say("JA")
    return Subscription.objects.get()


def is_open(subscription):
    return Gate.objects.get(pk=subscription.pk).is_open


@pytest.mark.parametrize(
    "words", ["STOP", "bitte abmelden, danke", "stpo", "LÖSCHEN", "Unsubscribe"]
)
def test_a_withdrawal_is_applied_inside_the_hooks_transaction(chat, subscription, words):
    assert is_open(subscription)
    before = Dispatch.objects.count()

    with transaction.atomic():
        withdraw_now(chat, [text("Guten Tag"), text(words)])

    assert not is_open(subscription)
    assert ConsentRecord.objects.filter(state="withdrawn", at=AT).count() == 1
    assert AuditEntry.objects.filter(action="consent.withdrawn").count() == 1
    assert Dispatch.objects.count() == before


@transaction.atomic
def withdraw_and_fail(channel):
    withdraw_now(channel, [text("STOP")])
    raise RuntimeError("no commit")


def test_the_hook_learns_which_events_were_withdrawals(chat, subscription):
    events = [text("Hallo"), text("STOP"), text("ABMELDEN", sender="+4917604069009")]

    assert withdraw_now(chat, events) == {"e-STOP"}


def test_without_the_key_store_a_stop_still_stops_and_is_proved_later(
    chat,
    subscription,
    monkeypatch,
):
    from privacy.vault import store

    def down(*args):
        raise KeystoreDown("the key store does not answer.")

    with monkeypatch.context() as broken:
        broken.setattr(store, "read", down)
        withdraw_now(chat, [text("STOP")])
        assert not is_open(subscription)
        assert not ConsentRecord.objects.filter(state="withdrawn").exists()

    withdraw_now(chat, [text("STOP")])

    assert ConsentRecord.objects.filter(state="withdrawn").count() == 1


def test_if_the_hook_fails_nothing_was_withdrawn(chat, subscription):
    with pytest.raises(RuntimeError, match="no commit"):
        withdraw_and_fail(chat)

    assert is_open(subscription)
    assert not ConsentRecord.objects.filter(state="withdrawn").exists()


def test_the_answer_comes_later_and_once(chat, subscription):
    withdraw_now(chat, [text("STOP")])
    before = set(Dispatch.objects.values_list("pk", flat=True))

    handle(inbound(chat), text("STOP"))
    handle(inbound(chat), text("STOP", sender="+49 176 04069001"))

    first = outgoing(before)[0]
    assert "Stadtanzeiger" in first.text
    assert ConsentRecord.objects.filter(state="withdrawn").count() == 1


@pytest.mark.parametrize("words", ["Stopp den Krieg!", "ANMELDEN", "Shop", "> STOP", "Aus Berlin"])
def test_what_is_no_withdrawal_changes_nothing_in_the_hook(chat, subscription, words):
    withdraw_now(chat, [text(words)])

    assert is_open(subscription)


def test_a_topic_ends_in_the_hook_as_well(chat, subscription):
    withdraw_now(chat, [text("STOP SPORT")])

    assert is_open(subscription)
    assert set(subscription.topics.values_list("slug", flat=True)) == {"lokales", "kultur"}


@pytest.mark.parametrize("cause", ["blocked", "kicked"])
def test_a_block_closes_the_gate_until_a_new_double_opt_in(chat, subscription, say, cause):
    withdraw_now(chat, [OptOutEvent(ref="o-1", at=AT, sender=PHONE, cause=cause)])

    gate = Gate.objects.get(pk=subscription.pk)
    assert (gate.is_open, gate.reason) == (False, "blocked")
    for words in ("Hallo", "THEMEN", "JA"):
        say(words)
    assert not is_open(subscription)
    OptIn.objects.all().delete()
    say("START")
    say("JA")
    assert is_open(subscription)
    assert ConsentRecord.objects.filter(state="renewed").count() == 1


@pytest.mark.parametrize("cause", ["complaint", "unsubscribed"])
def test_a_complaint_is_a_withdrawal(chat, subscription, cause):
    withdraw_now(chat, [OptOutEvent(ref="o-1", at=AT, sender=PHONE, cause=cause)])

    subscription.refresh_from_db()
    assert subscription.status == "withdrawn"
    assert Gate.objects.get(pk=subscription.pk).reason == "withdrawn"


def test_a_complaint_without_a_sender_is_found_by_what_was_complained_about(chat, subscription):
    delivery = Delivery.objects.earliest("pk")
    attempt = seal_attempt(delivery.pk, 1)

    withdraw_now(chat, [OptOutEvent(ref="o", at=AT, sender="", cause="complaint", attempt=attempt)])

    assert not is_open(subscription)


@pytest.mark.parametrize("cause", ["unsubscribed", "complaint"])
def test_leaving_from_an_alias_counts_for_the_address_we_wrote_to(
    mail, chat, newsletter, say, cause
):
    say("START", sender=MAIL, channel=mail)
    say("JA", sender=MAIL, channel=mail)
    subscription = Subscription.objects.get()
    attempt = seal_attempt(Delivery.objects.earliest("pk").pk, 7)

    withdraw_now(mail, [OptOutEvent("o", AT, "alias@example.net", cause, attempt)])

    assert not is_open(subscription)
    assert ConsentRecord.objects.filter(state="withdrawn").count() == 1


def test_a_made_up_attempt_leaves_the_sender_to_be_looked_up(chat, subscription):
    withdraw_now(chat, [OptOutEvent("o", AT, PHONE, "complaint", "k3" * 24)])

    assert not is_open(subscription)


@pytest.mark.django_db(transaction=True)
def test_a_complaint_that_the_key_store_cut_short_is_proved_when_it_is_back(
    chat, newsletter, say, monkeypatch
):
    from messengers.inbox import store_alone
    from subscriptions.actions import withdrawal

    def down(*args, **kwargs):
        raise KeystoreDown("the key store does not answer.")

    say("START")
    say("JA")
    with monkeypatch.context() as broken:
        broken.setattr(withdrawal, "record_consent", down)  # it went between sealing and this
        assert store_alone(chat, [OptOutEvent("o", AT, PHONE, "complaint")], []) == 200
        assert not is_open(Subscription.objects.get())
        with pytest.raises(KeystoreDown):
            handle_pending()
    assert InboundEvent.objects.get().status == "waiting"
    assert not ConsentRecord.objects.filter(state="withdrawn").exists()

    handle_pending()

    assert InboundEvent.objects.get().status == "handled"
    assert ConsentRecord.objects.filter(state="withdrawn").count() == 1
    assert Subscription.objects.get().status == "withdrawn"


def test_receipts_and_strangers_are_no_concern_of_the_hook(chat, subscription):
    withdraw_now(chat, [ReceiptEvent(ref="r", at=AT), text("STOP", sender="+4917604069009")])
    withdraw_now(chat, [text("STOP", sender="nobody")])

    assert is_open(subscription)


def test_a_yes_by_mail_counts_only_as_an_answer_to_our_message(mail, newsletter):
    handle(inbound(mail), text("START", sender=MAIL))
    assert OptIn.objects.count() == 1
    handle(inbound(mail), text("JA", sender=MAIL))
    assert Subscription.objects.count() == 0
    question = Delivery.objects.earliest("pk")
    assert question.address == Address.objects.get().pk

    handle(inbound(mail), text("JA", sender=MAIL, attempt=seal_attempt(question.pk, 7)))

    assert Subscription.objects.get().status == "confirmed"


def test_a_yes_with_somebody_elses_message_counts_for_nothing(mail, newsletter):
    handle(inbound(mail), text("START", sender=MAIL))
    handle(inbound(mail), text("START", sender="other@example.org"))
    foreign = Delivery.objects.latest("pk")

    handle(inbound(mail), text("JA", sender=MAIL, attempt=seal_attempt(foreign.pk, 7)))

    assert Subscription.objects.count() == 0


def test_a_no_with_the_number_proves_nothing_and_an_editor_reads_it(chat, subscription):
    request = open_request(
        subject=subscription.subscriber_id, kind="erasure", origin="staff", verified=False,
        received_at=AT, actor=Actor.system("test"),
    )  # fmt: skip
    ask_identity(request=request, actor=Actor.system("test"))

    handle(inbound(chat), text(f"NEIN! {request.number} habe ich nie gestellt"))

    request.refresh_from_db()
    assert (request.status, request.is_verified) == ("verifying", False)
    assert is_open(subscription)
    assert Reply.objects.count() == 1


def test_an_answer_to_a_request_leaves_sealed_in_the_persons_language(chat, subscription):
    before = set(Dispatch.objects.values_list("pk", flat=True))
    link = "https://news.example.org/privacy/package/Zm9v_b-r/"

    answer_subject(
        subscription.subscriber_id,
        "privacy/answers/package_ready.txt",
        {"number": "2026-0007", "until": date(2026, 12, 1), "link": link},
    )

    (sent,) = outgoing(before)
    assert "2026-0007" in sent.text
    assert "1. Dezember 2026" in sent.text
    assert link in sent.text
    assert sent.dispatch.kind == "answer"
    assert "2026-0007" not in str(sent.dispatch.content)
    assert "Zm9v" not in str(sent.dispatch.content)


def test_an_answer_to_nobody_is_no_error(db):
    from privacy.ids import uuid7

    answer_subject(uuid7(), "privacy/answers/erased.txt", {"number": "2026-0001", "link": ""})

    assert Dispatch.objects.count() == 0
    assert Address.objects.count() == 0


SECRET = "a-secret-of-more-than-16"


def post(client, channel, number, words, sender=PHONE):
    event = {"id": f"ev-{number}", "type": "text", "at": AT.isoformat(), "from": sender}
    body = orjson.dumps({"events": [event | {"text": words}]})
    headers = signed_headers(SECRET, f"c-{number}", body)
    return client.post(
        f"/hooks/{channel.pk}/", data=body, content_type="application/json", headers=headers
    )


@pytest.fixture
def hooked(newsletter):
    """A channel whose provider calls our hook."""
    channel = create_channel(
        kind="simulator", name="Hook", settings={}, profile=OWN_HOUSE, actor=Actor.system("test"),
        secrets={"token": "t", "hook_secret": SECRET},
    )  # fmt: skip
    newsletter.channels.add(channel)
    return channel


@pytest.mark.django_db(transaction=True)
def test_whoever_writes_is_the_same_person_however_the_provider_spells_the_number(client, hooked):
    spellings = [PHONE, PHONE.replace("+49", "0"), f"{PHONE[:6]} {PHONE[6:]}"]
    for number, (sender, words) in enumerate(zip(spellings, ["START", "JA", "STOP"], strict=True)):
        assert post(client, hooked, number, words, sender).status_code == 200
        handle_pending()

    assert Address.objects.count() == 1
    assert not is_open(Subscription.objects.get())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sender", ["+4912", "0", "(+49) 17604069001 7604069001"])
@pytest.mark.parametrize("words", ["START", "STOP"])
def test_whoever_has_no_number_is_nobody_whom_we_could_answer(client, hooked, sender, words):
    assert post(client, hooked, 1, words, sender).status_code == 200
    handle_pending()

    assert InboundEvent.objects.get().status == "handled"
    assert not Address.objects.exists()
    assert not Dispatch.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_whole_way_from_the_hook_to_the_farewell(client, hooked):
    channel = hooked
    for number, words in enumerate(["START", "JA"]):
        assert post(client, channel, number, words).status_code == 200
        assert handle_pending() == 1
    subscription = Subscription.objects.get(channel=channel)
    assert is_open(subscription)

    assert post(client, channel, 7, "Bitte abmelden, danke!").status_code == 200

    assert not is_open(subscription)
    assert InboundEvent.objects.get(status="waiting").is_withdrawal
    before = set(Dispatch.objects.values_list("pk", flat=True))
    assert handle_pending() == 1
    (farewell,) = outgoing(before)
    assert "Stadtanzeiger" in farewell.text
    assert post(client, channel, 7, "Bitte abmelden, danke!").status_code == 200
    assert handle_pending() == 0
    assert InboundEvent.objects.exclude(sealed=None).count() == 0
