import csv
import io

import pytest

from messengers.addresses import Profile, set_profile
from messengers.models import Address
from privacy.access import Actor, NotAllowed
from privacy.models import AuditEntry
from subscriptions.exports import subscribers_csv
from subscriptions.models import Subscription

from .conftest import PHONE, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def subscriber(say):
    say("START")
    say("JA")
    set_profile(Address.objects.get(), Profile("=cmd|calc", "Weiß"))


def table(actor):
    text = "".join(subscribers_csv(Subscription.objects.all(), actor=Actor.staff(actor)))
    return list(csv.DictReader(io.StringIO(text.lstrip("\ufeff")), delimiter=";"))


def test_who_may_see_persons_gets_them_in_clear_and_without_formulas(subscriber, officer):
    (row,) = table(officer)

    assert row["address"] == f"'{PHONE}"
    assert (row["first_name"], row["last_name"]) == ("'=cmd|calc", "Weiß")
    assert row["topics"] == "kultur,lokales,sport"


def test_others_get_masked_addresses_and_no_names(subscriber, publisher):
    (row,) = table(publisher)

    assert PHONE[4:] not in str(row)
    assert row["address"].endswith("001")
    assert (row["first_name"], row["last_name"]) == ("", "")
    assert row["status"] == "confirmed"


def test_an_export_is_written_down_and_refused_without_rights(subscriber, publisher):
    editor = make_staff("editor")
    with pytest.raises(NotAllowed):
        subscribers_csv(Subscription.objects.all(), actor=Actor.staff(editor))
    assert not AuditEntry.objects.filter(action="subscription.exported").exists()

    table(publisher)

    assert AuditEntry.objects.get(action="subscription.exported").actor == f"staff:{publisher.pk}"
