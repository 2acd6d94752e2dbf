"""What retention leaves to the officer stands on the work list, and goes from there when done."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from privacy.models import RetentionItem, RetentionPause, RetentionPlan
from privacy.retention import holds


@pytest.fixture
def listed(client, staff, settings):
    settings.JAWORT_DEMO = True
    settings.LANGUAGE_CODE = "en"
    client.force_login(staff("dpo"))

    def words():
        page = client.get(reverse("privacy:requests"), HTTP_ACCEPT_LANGUAGE="en")
        return [(duty.title, duty.urgency) for duty in page.context["todo"]]

    return words


def test_each_duty_of_retention_is_listed_until_it_is_done(listed, staff):
    officer, now = staff("dpo", email="second@example.org"), timezone.now()
    before = listed()
    plan = RetentionPlan.objects.create(day=now.date(), at=now)
    unusual, failed = (
        RetentionItem.objects.create(
            plan=plan, data_class=data_class, due=7, total=9, status=status
        )
        for data_class, status in (("inbound_text", "waiting"), ("import_file", "failed"))
    )
    pause = RetentionPause.objects.create(since=now - timedelta(days=2), paused_by=uuid4())
    hold = holds.place(
        owner=officer,
        subject=uuid4(),
        data_class="",
        reason="12 O 34/26",
        review_at=timezone.localdate() + timedelta(days=1),
    )
    type(hold).objects.update(review_at=timezone.localdate())

    assert sorted(set(listed()) - set(before)) == [
        ("Approve an unusual deletion", "wait"),
        ("Look at a legal hold again", "wait"),
        ("Retention is paused", "bad"),
        ("Retention left data behind", "bad"),
    ]

    unusual.delete()
    failed.delete()
    RetentionPause.objects.filter(pk=pause.pk).update(ended_at=now)
    holds.end(hold, actor=officer)

    assert listed() == before


def test_the_most_urgent_is_on_top_whatever_room_it_comes_from(listed):
    now = timezone.now()
    plan = RetentionPlan.objects.create(day=now.date(), at=now)
    RetentionItem.objects.create(
        plan=plan, data_class="import_file", due=7, total=9, status="failed"
    )

    urgencies = [urgency for _title, urgency in listed()]

    assert urgencies[0] == "bad"  # of the last room that is asked
    assert urgencies == sorted(urgencies, key=["bad", "wait", "info"].index)
