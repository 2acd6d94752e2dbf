"""The retention pages in a real browser: wide and narrow, light and dark, German and English."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from privacy.access import Actor
from privacy.models import RetentionItem, RetentionPlan
from privacy.requests import approvals
from privacy.retention import holds, night, plans, proposals
from privacy.retention.proposals import Change
from privacy.retention.terms import Term
from privacy.vault import new_subject
from tests.journeys.conftest import browser, new_page
from tests.privacy.test_pages_browser import LOOK, check, dpo, page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True, databases=["default", "keystore"]),
]


@pytest.fixture
def busy(dpo, staff):
    """A proposal, an unusual removal, a night that runs, and two holds."""
    night.execute(timezone.now())
    asker = Actor.staff(staff("dpo", email="asker@example.org"))
    change = Change(
        Term(timedelta(days=7)), timezone.localdate() + timedelta(days=1), reason="Weniger genügt"
    )
    made = proposals.propose("inbound_text", change, actor=asker)
    day = timezone.localdate() - timedelta(days=1)
    plan = RetentionPlan.objects.create(day=day, at=timezone.now() - timedelta(days=1))
    item = RetentionItem.objects.create(
        plan=plan, data_class="delivery_record", due=5000, total=6000, status="waiting"
    )
    RetentionItem.objects.create(
        plan=plan, data_class="inbound_text", due=90, total=500, removed=40
    )
    approvals.ask(plans.OUTLIER, item.pk, plans.RETENTION, {"due": 5000, "total": 6000})
    for subject, name in ((new_subject(), "consent_evidence"), (None, "delivery_record")):
        holds.place(
            subject=subject,
            data_class=name,
            reason="Klage, 12 O 34/26",
            owner=dpo,
            review_at=timezone.localdate() + timedelta(days=90),
        )
    return made, item


# Both languages and every page for whoever works on them; otherwise what has forms and tables.
LANGUAGES = ["de", "en"] if LOOK else ["de"]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_pages_about_retention(page, live_server, busy, lang):
    made, item = busy
    tab = page(lang)
    pages = {"retention_plan": [], "holds": []}  # the overview: test_pages_browser.py
    if LOOK:
        pages |= {
            "retention": [],
            "retention_rule": ["consent_lapse"],
            "retention_version": [made.pk],
            "retention_item": [item.pk],
        }
    for name, args in pages.items():
        tab.goto(live_server.url + reverse(f"privacy:{name}", args=args))
        check(tab, f"{name}-{lang}")
    tab.goto(live_server.url + reverse("privacy:holds"))
    tab.locator("form[action*='/holds/'] button").first.click()
    tab.wait_for_load_state()
    if LOOK:
        check(tab, f"hold-{lang}")
    assert "12 O 34/26" in tab.content()
