"""Rung by beat. What is due stands in the database; running twice changes nothing more.

The functions below are registered with the retention engine, which runs them at its own tick or in
its night's plan, and writes down how much each of them removed.
"""

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from privacy.retention.registry import expires
from privacy.retention.rules import ensure_defaults
from privacy.retention.run import run
from subscriptions import expiry, forget
from subscriptions import lapse as disuse
from subscriptions.models import StartToken, Subscription
from subscriptions.proof.replay import replay_nightly


@shared_task(ignore_result=True)
def tick() -> None:
    """Erase what has had its time, each row in a transaction of its own; compare once a night."""
    ensure_defaults()
    run(timezone.now())
    replay_nightly(timezone.now())


@expires("pending_opt_in", often=True)
def expire_opt_ins(now: datetime) -> int:
    """Requests nobody confirmed, with the person; each row knows the end of its term."""
    return forget.expire_opt_ins(now, is_chat=False) + forget.forget_strangers(now)


@expires("pending_opt_in_chat", often=True)
def expire_questions(now: datetime) -> int:
    return forget.expire_opt_ins(now, is_chat=True)


@expires("pending_opt_in", often=True)
def forget_counters(now: datetime) -> int:
    return forget.forget_counters(now)


@expires("pending_opt_in", often=True)
def forget_start_tokens(now: datetime) -> int:
    return StartToken.objects.filter(expires_at__lte=now).delete()[0]


@expires("inbound_text")
def forget_replies(now: datetime) -> int:
    """Texts, and their writers if they were nothing but writers."""
    return forget.forget_replies(now) + forget.forget_strangers(now)


@expires("import_file")
def forget_files(now: datetime) -> int:
    return forget.forget_files(now)


@expires("active_subscription")
def forget_choices(now: datetime) -> int:
    """Topics of ended subscriptions: the end itself removes them, this finds what it missed."""
    return Subscription.topics.through.objects.exclude(subscription__ended_at=None).delete()[0]


@expires("consent_lapse")
def lapse_unused(now: datetime) -> int:
    return disuse.lapse_unused(now)


@expires("consent_evidence")
def forget_ended(now: datetime) -> int:
    """People of whom nothing has to be proven any more, then single records of the others."""
    return expiry.forget_ended(now) or expiry.forget_records(now)
