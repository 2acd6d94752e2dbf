"""privacy/suppression: an address stays recognisable without being kept; its owner lifts it."""

import os
import re
from pathlib import Path
from uuid import UUID

from django.db import connection

from privacy import suppression
from privacy.models import Suppression
from tests.privacy.conftest import CULTURE, SPORT

PHONE = "+4917604069001"
LIFTING = re.compile(
    r"from privacy\.suppression import (\([^)]*\blift\b|[^\n(]*\blift\b)|suppression\.lift\("
)


def test_a_fingerprint_is_stable_keyed_and_bound_to_the_messenger(settings):
    one = suppression.fingerprint("sms", PHONE)

    assert len(one) == 32
    assert suppression.fingerprint("sms", PHONE) == one
    assert suppression.fingerprint("whatsapp", PHONE) != one
    assert suppression.fingerprint("sms", "+4917604069002") != one
    settings.JAWORT_KEY = os.urandom(32)
    assert suppression.fingerprint("sms", PHONE) != one


def test_a_fingerprint_is_as_slow_as_the_setting_says(settings):
    quick = suppression.fingerprint("sms", PHONE)

    settings.SUPPRESSION_ARGON2 = (64, 2)

    assert suppression.fingerprint("sms", PHONE) != quick


def test_many_fingerprints_come_in_their_order_with_progress():
    addresses = [("sms", f"+49176040690{number:02}") for number in range(40)]
    told: list[int] = []

    found = suppression.fingerprints(addresses, progress=told.append)

    assert found == [suppression.fingerprint(*address) for address in addresses]
    assert sum(told) == 40


def test_a_suppression_of_all_covers_each_newsletter_and_one_of_one_only_that(db):
    everywhere, here, free = suppression.fingerprints([("sms", f"+4{n}") for n in range(3)])
    suppression.suppress(everywhere, "sms", reason="erasure")
    suppression.suppress(here, "sms", SPORT, reason="objection")

    def verdicts(found: bytes) -> list[bool]:
        scopes: tuple[UUID | None, ...] = (None, SPORT, CULTURE)
        return [suppression.is_suppressed(found, scope) for scope in scopes]

    assert verdicts(everywhere) == [True, True, True]
    assert verdicts(here) == [False, True, False]
    assert verdicts(free) == [False, False, False]
    assert suppression.suppressed_among([everywhere, here, free], SPORT) == {everywhere, here}


def test_suppressing_twice_keeps_the_first_date(db):
    found = suppression.fingerprint("sms", PHONE)

    first = suppression.suppress(found, "sms", reason="erasure")
    again = suppression.suppress(found, "sms", reason="objection")

    assert again == first
    assert Suppression.objects.get().reason == "erasure"


def test_the_own_double_opt_in_lifts_and_an_other_newsletter_does_not(db):
    found = suppression.fingerprint("sms", PHONE)
    suppression.suppress(found, "sms", reason="erasure")
    suppression.suppress(found, "sms", SPORT, reason="objection")
    suppression.suppress(found, "sms", CULTURE, reason="objection")

    assert suppression.lift(found, "sms", SPORT) == 2

    assert not suppression.is_suppressed(found, SPORT)
    assert suppression.is_suppressed(found, CULTURE)


def test_nothing_but_the_double_opt_in_lifts():
    house = Path(__file__).resolve().parents[2]
    rooms = ("broadcasts", "config", "messengers", "privacy", "subscriptions")
    callers = {
        str(file.relative_to(house))
        for room in rooms
        for file in (house / room).rglob("*.py")
        if LIFTING.search(file.read_text())
    }

    assert callers == {"subscriptions/actions/opt_in.py"}


def test_the_address_itself_is_nowhere_in_the_table(db):
    found = suppression.fingerprint("sms", PHONE)
    suppression.suppress(found, "sms", reason="erasure")

    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM privacy_suppression t")
        row = cursor.fetchone()[0]
    assert found.hex() in row
    for form in (PHONE, PHONE[1:], PHONE.encode().hex()):
        assert form not in row
