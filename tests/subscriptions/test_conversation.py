import pytest

from messengers.models import Address, Gate
from privacy.models import AuditEntry, Request
from privacy.suppression import fingerprint, suppress
from subscriptions.models import ConsentRecord, OptIn, Reply, Subscription, Topic

from .conftest import MAIL, OTHER_PHONE, PHONE, make_newsletter

pytestmark = pytest.mark.django_db


def subscribed(say, **who):
    say("START", **who)
    say("JA", **who)
    return Subscription.objects.latest("pk")


def is_open(subscription):
    return Gate.objects.get(pk=subscription.pk).is_open


def test_start_is_answered_with_the_published_wording_and_nothing_else(say, newsletter):
    (asked,) = say("START")

    wording = newsletter.wordings.get(language="de", channel_kind="simulator")
    assert asked.markdown == wording.text
    for told in ("Verlag am Markt", "höchstens dreimal am Tag", "STOP", "JA", "automatisch"):
        assert told in asked.text
    assert f"/notice/{wording.notice_id}/" in asked.text
    assert [label for label, _ in asked.buttons] == ["JA", "NEIN"]
    assert asked.dispatch.kind == "confirmation"


def test_yes_makes_subscription_gate_record_and_audit_entry_in_one_go(say):
    say("START")
    (welcome,) = say("ja 👍")

    subscription = Subscription.objects.get()
    assert subscription.status == "confirmed"
    assert is_open(subscription)
    assert ConsentRecord.objects.get().state == "given"
    assert AuditEntry.objects.filter(action="consent.given").count() == 1
    assert OptIn.objects.count() == 0
    assert "/r/" in welcome.text
    assert [label for label, _ in welcome.buttons] == ["✓ Lokales", "✓ Sport", "✓ Kultur"]


def test_the_button_confirms_only_the_question_it_was_sent_with(say):
    (first,) = say("START")
    old_button = first.press("JA")
    say("NEIN")
    say("START")
    say(payload=old_button)
    assert Subscription.objects.count() == 0

    say(payload=f"yes:{OptIn.objects.get().pk}")

    assert Subscription.objects.get().status == "confirmed"


@pytest.mark.parametrize("text", ["ja aber", "Ja?", "okay", "👍", "naja", "ja nein", "Jein"])
def test_no_half_hearted_answer_confirms(say, text):
    say("START")

    say(text)

    assert OptIn.objects.count() == 1
    assert Subscription.objects.count() == 0


def test_no_erases_the_request(say):
    say("START")
    assert OptIn.objects.count() == 1

    (sorry,) = say("nein danke")

    assert OptIn.objects.count() == 0
    assert "gelöscht" in sorry.text
    assert ConsentRecord.objects.count() == 0


def test_stop_ends_everything_on_the_channel_says_so_once_and_is_silent_then(say, chat):
    make_newsletter("Küstenpost", chat)
    say("START Stadtanzeiger")
    say("JA")
    say("START Küstenpost")
    say("JA")
    assert [is_open(s) for s in Subscription.objects.all()] == [True, True]

    (farewell,) = say("STOP")

    assert [is_open(s) for s in Subscription.objects.all()] == [False, False]
    assert {s.status for s in Subscription.objects.all()} == {"withdrawn"}
    assert ConsentRecord.objects.filter(state="withdrawn").count() == 2
    assert AuditEntry.objects.filter(action="consent.withdrawn").count() == 2
    assert "Stadtanzeiger" in farewell.text
    assert "Küstenpost" in farewell.text
    assert say("STOP") == []
    assert say("Stop bitte!") == []


@pytest.fixture
def forged(say, mail):
    """Write as somebody whose mail address is only in the `From`."""

    def write(text="", **more):
        return say(text, sender=MAIL, channel=mail, is_proved=False, **more)

    return write


def test_a_mail_that_proves_nothing_changes_no_topic(say, mail, forged):
    subscription = subscribed(say, sender=MAIL, channel=mail)
    sport = Topic.objects.get(slug="sport")
    records = ConsentRecord.objects.count()

    (told,) = forged(payload=f"topic:{sport.pk}")

    assert "Link" in told.text
    assert ConsentRecord.objects.count() == records
    assert subscription.topics.count() == 3
    say(payload=f"topic:{sport.pk}", sender=MAIL, channel=mail)
    assert subscription.topics.count() == 2


@pytest.mark.parametrize(
    "said",
    [{"text": "HILFE"}, {"text": "START"}, {"text": "JA"}, {"text": "THEMEN"}, {"payload": "keep"}],
)
def test_a_forged_sender_gets_a_few_answers_a_day(say, mail, forged, said):
    subscribed(say, sender=MAIL, channel=mail)

    answers = sum(len(forged(**said)) for _ in range(12))

    assert 1 <= answers <= 5
    assert len(say("HILFE", sender=MAIL, channel=mail)) == 1  # proved: the person is heard


def test_a_forged_start_does_not_write_to_a_suppressed_address(say, mail, forged):
    suppress(fingerprint("email", MAIL), "email", reason="erased")

    assert forged("START") == []
    assert OptIn.objects.count() == 0
    (asked,) = say("START", sender=MAIL, channel=mail)  # proved: the holder has written
    assert asked.dispatch.kind == "confirmation"


def test_a_second_withdrawal_after_coming_back_is_confirmed_again(say):
    subscribed(say)
    say("STOP")
    subscribed(say)

    (farewell,) = say("STOP")

    assert "Stadtanzeiger" in farewell.text


def test_stop_with_a_newsletters_name_ends_only_that_one(say, chat):
    make_newsletter("Küstenpost", chat)
    say("START Stadtanzeiger")
    say("JA")
    say("START Küstenpost")
    say("JA")

    say("STOP Küstenpost")

    status = dict(Subscription.objects.values_list("newsletter__name", "status"))
    assert status == {"Stadtanzeiger": "confirmed", "Küstenpost": "withdrawn"}


def test_stop_with_a_topic_ends_the_topic_and_nothing_else(say):
    subscription = subscribed(say)

    (told,) = say("STOP SPORT")

    assert set(subscription.topics.values_list("slug", flat=True)) == {"lokales", "kultur"}
    assert is_open(subscription)
    assert "Abbestellt: Sport" in told.text
    assert "Lokales, Kultur" in told.text
    assert ConsentRecord.objects.filter(state="renewed").count() == 1


@pytest.mark.parametrize("text", ["Stopp den Krieg!", "Aus Berlin", "Wie melde ich mich ab?"])
def test_in_doubt_nobody_is_withdrawn_and_the_bot_asks(say, text):
    subscription = subscribed(say)

    (asked,) = say(text)

    assert is_open(subscription)
    assert asked.press("Abbestellen") == "stop"
    assert Reply.objects.get().asks_stop
    say(payload=asked.press("Abbestellen"))
    assert not is_open(subscription)


def test_topics_are_toggled_by_their_buttons(say):
    subscription = subscribed(say)
    (shown,) = say("THEMEN")
    assert "alle Themen" in shown.text

    (without,) = say(payload=shown.press("Sport"))

    assert "Lokales, Kultur" in without.text
    assert set(subscription.topics.values_list("slug", flat=True)) == {"lokales", "kultur"}
    (again,) = say(payload=without.press("Sport"))
    assert "alle Themen" in again.text


def test_several_newsletters_are_asked_for_with_buttons(say, chat):
    make_newsletter("Küstenpost", chat)

    (which,) = say("START")
    assert "Küstenpost, Stadtanzeiger" in which.text
    (asked,) = say(payload=which.press("Küstenpost"))

    assert "Küstenpost" in asked.text
    assert OptIn.objects.get().newsletter.name == "Küstenpost"


def test_the_token_of_a_qr_code_names_its_newsletter(say, chat):
    from privacy.vault import sign_link

    other = make_newsletter("Küstenpost", chat)

    (asked,) = say(f"START-{sign_link('start', other.pk, None)}")

    assert "Küstenpost" in asked.text
    (which,) = say("START-this_is_no_token_of_ours", sender=OTHER_PHONE)
    assert "Welchen" in which.text


def test_a_withdrawal_leaves_neither_names_nor_topics_behind(say):
    from messengers.addresses import Profile, profile_of, set_profile

    subscription = subscribed(say)
    set_profile(Address.objects.get(), Profile("Käthe", "Weiß"))
    assert subscription.topics.count() == 3

    say("STOP")

    assert profile_of(Address.objects.get()) == Profile()
    assert subscription.topics.count() == 0


def test_english_words_are_answered_in_english(say):
    (asked,) = say("subscribe")

    assert "This is an automatic service" in asked.text
    assert asked.press("YES")
    (welcome,) = say("YES")
    assert "Thank you" in welcome.text
    assert Subscription.objects.get().language == "en"


def test_other_texts_go_to_the_editors_with_one_automatic_answer_a_day(say):
    from subscriptions.actions import read_reply

    assert len(say("Wann fährt der Bus?")) == 1
    assert say("Und der Zug?") == []

    assert [read_reply(one) for one in Reply.objects.order_by("pk")] == [
        "Wann fährt der Bus?",
        "Und der Zug?",
    ]


def test_help_tells_every_word(say):
    (shown,) = say("HILFE")

    for word in ("START", "STOP", "THEMEN", "AUSKUNFT", "LÖSCHEN"):
        assert word in shown.text


def test_access_opens_a_request_with_its_deadline(say):
    subscribed(say)

    (told,) = say("AUSKUNFT")

    request = Request.objects.get()
    assert (request.kind, request.is_verified, request.subject) == (
        "access",
        True,
        Address.objects.get().subject,
    )
    assert request.number in told.text


def test_erasure_stops_everything_at_once(say):
    subscription = subscribed(say)
    assert is_open(subscription)

    (told,) = say("LÖSCHEN")

    assert not is_open(subscription)
    assert Request.objects.get().kind == "erasure"
    assert Request.objects.get().number in told.text


def test_a_stranger_who_asks_for_data_hears_that_there_is_none(say):
    (told,) = say("AUSKUNFT", sender=OTHER_PHONE)

    request = Request.objects.get()
    assert (request.status, request.outcome, request.subject) == ("closed", "no_data", None)
    assert "nichts gespeichert" in told.text


def test_a_stranger_who_says_stop_gets_one_answer_a_day(say):
    assert len(say("STOP")) == 1
    assert say("STOP") == []
    assert Subscription.objects.count() == 0


def test_an_ordinary_message_never_brings_anybody_back(say):
    subscription = subscribed(say)
    say("STOP")

    for text in ("Hallo", "JA", "THEMEN", "Danke", "ja bitte", "HILFE"):
        say(text)

    assert not is_open(subscription)
    assert Subscription.objects.get().status == "withdrawn"


def test_what_people_wrote_stands_nowhere_in_clear(say, django_db_blocker):
    from django.db import connection

    subscribed(say)
    say("Mein Nachbar heisst Kaspar Zwiebel")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )
        tables = [row[0] for row in cursor.fetchall()]
        found = []
        for name in tables:
            for needle in ("Zwiebel", PHONE, PHONE[1:]):
                cursor.execute(
                    f'SELECT count(*) FROM "{name}" t WHERE t::text LIKE %s', [f"%{needle}%"]
                )
                found += [name] * cursor.fetchone()[0]

    assert found == []
