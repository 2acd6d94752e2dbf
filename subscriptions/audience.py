"""Who a rule means: SQL built from a closed grammar, every value a parameter.

A rule is JSON: one condition, or `{"all": [...]}`, `{"any": [...]}`, `{"not": {...}}` of others.

    {"all": [{"topic": ["sport"]}, {"not": {"language": ["en"]}}]}

`{}` means everybody. Topics are named by slug, channels by id; dates are days in the newsletter's
time zone, `subscribed_before` without the day, `subscribed_after` with it.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

from subscriptions.errors import RuleError
from subscriptions.models import LANGUAGES, Newsletter, Topic

Rule = dict[str, Any]
Sql = tuple[str, list[Any]]

MAX_DEPTH = 4  # of all, any and not inside each other
MAX_PARTS = 20  # in one all or any
MAX_VALUES = 100

# Every confirmed subscription has its gate (one transaction makes both), and few are closed: to
# leave those out is half the work of joining the open ones. The engine asks each gate again anyway.
RECIPIENTS = """
SELECT s.address_id, s.id, s.channel_id
FROM subscriptions_subscription s
WHERE s.newsletter_id = %s AND s.status = 'confirmed' AND ({condition})
  AND NOT EXISTS (SELECT 1 FROM messengers_gate g WHERE g.id = s.id AND NOT g.is_open)"""
ON_CHANNELS = " AND s.channel_id = ANY(%s)"
COUNT = "SELECT r.channel_id, count(*) FROM ({recipients}) AS r GROUP BY r.channel_id"
# Begins with the few gates that need the footer, by their own index.
HAS_CUSTOMERS = """
SELECT EXISTS (SELECT 1 FROM messengers_gate g JOIN subscriptions_subscription s ON s.id = g.id
                WHERE g.needs_footer AND s.newsletter_id = %s AND s.status = 'confirmed')"""
HAS_TOPIC = """EXISTS (
    SELECT 1 FROM subscriptions_subscription_topics t
    WHERE t.subscription_id = s.id AND t.topic_id = ANY(%s))"""


def recipients_sql(
    newsletter_id: UUID, rule: Rule, *, channels: Collection[UUID] | None = None
) -> Sql:
    """SQL and parameters selecting (address_id, gate_id, channel_id) of whoever may be written to.

    Without `channels` on every channel. Raises `RuleError`.
    """
    condition, params = _Builder(newsletter_id).build(rule)
    sql = RECIPIENTS.format(condition=condition)
    if channels is None:
        return sql, [newsletter_id, *params]
    return sql + ON_CHANNELS, [newsletter_id, *params, list(channels)]


def count(newsletter_id: UUID, rule: Rule) -> dict[str, Any]:
    """How many a rule means now: `{"total": 412, "by_channel": {uuid: 412}}`; or `RuleError`."""
    recipients, params = recipients_sql(newsletter_id, rule)
    with connection.cursor() as cursor:
        cursor.execute(COUNT.format(recipients=recipients), params)
        by_channel: dict[UUID, int] = dict(cursor.fetchall())
    return {"total": sum(by_channel.values()), "by_channel": by_channel}


def has_customers(newsletter_id: UUID) -> bool:
    """Whether the newsletter reaches anybody without their consent (section 7(3) UWG)."""
    with connection.cursor() as cursor:
        cursor.execute(HAS_CUSTOMERS, [newsletter_id])
        return bool(cursor.fetchone()[0])


def check_rule(newsletter_id: UUID, rule: Rule) -> None:
    """Raise `RuleError` if `rule` means nobody can know whom."""
    _Builder(newsletter_id).build(rule)


@dataclass
class _Builder:
    """Turns one rule into a condition on `s`, the subscription."""

    newsletter_id: UUID

    def build(self, rule: object) -> Sql:
        return ("TRUE", []) if rule == {} else self._part(rule, "", MAX_DEPTH)

    def _part(self, rule: object, where: str, depth: int) -> Sql:
        if not isinstance(rule, dict) or len(rule) != 1:
            raise RuleError(where, "give an object with exactly one condition.")
        (name, value), path = next(iter(rule.items())), _path(where, *rule)
        if name in ("all", "any", "not"):
            if depth == 0:
                raise RuleError(path, f"at most {MAX_DEPTH} levels inside each other.")
            return self._combined(name, value, path, depth - 1)
        condition = self._conditions.get(name)
        if condition is None:
            known = ", ".join(["all", "any", "not", *self._conditions])
            raise RuleError(path, f"unknown condition. Known are {known}.")
        return condition(value, path)

    def _combined(self, name: str, value: object, path: str, depth: int) -> Sql:
        if name == "not":
            sql, params = self._part(value, path, depth)
            return f"NOT ({sql})", params
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_PARTS:
            raise RuleError(path, f"give a list of 1 to {MAX_PARTS} conditions.")
        parts = [self._part(part, _path(path, str(at)), depth) for at, part in enumerate(value)]
        joint = " AND " if name == "all" else " OR "
        return joint.join(f"({sql})" for sql, _ in parts), [p for _, ps in parts for p in ps]

    @property
    def _conditions(self) -> dict[str, Callable[[object, str], Sql]]:
        return {
            "topic": self._topic,
            "language": _language,
            "channel": _channel,
            "subscribed_before": lambda value, path: self._subscribed("<", value, path),
            "subscribed_after": lambda value, path: self._subscribed(">=", value, path),
        }

    def _topic(self, value: object, path: str) -> Sql:
        slugs = _texts(value, path)
        found = dict(
            Topic.objects.filter(newsletter=self.newsletter_id, slug__in=slugs).values_list(
                "slug", "id"
            )
        )
        unknown = [slug for slug in slugs if slug not in found]
        if unknown:
            raise RuleError(path, "this newsletter has no such topic; use the topics' short names.")
        return HAS_TOPIC, [list(found.values())]

    def _subscribed(self, operator: str, value: object, path: str) -> Sql:
        try:
            day = date.fromisoformat(str(value))
        except ValueError:
            raise RuleError(path, "give a day like 2026-01-31.") from None
        zone = Newsletter.objects.values_list("time_zone", flat=True).get(pk=self.newsletter_id)
        midnight = datetime.combine(day, time(), ZoneInfo(zone))
        return f"s.confirmed_at {operator} %s", [midnight]


def _language(value: object, path: str) -> Sql:
    languages = _texts(value, path)
    known = [code for code, _ in LANGUAGES]
    if not set(languages) <= set(known):
        raise RuleError(path, f"unknown language. Known are {', '.join(known)}.")
    return "s.language = ANY(%s)", [languages]


def _channel(value: object, path: str) -> Sql:
    try:
        return "s.channel_id = ANY(%s)", [[UUID(text) for text in _texts(value, path)]]
    except ValueError:
        raise RuleError(path, "a channel is named by its id.") from None


def _texts(value: object, path: str) -> list[str]:
    if isinstance(value, list) and 1 <= len(value) <= MAX_VALUES:
        texts = [text for text in value if isinstance(text, str)]
        if len(texts) == len(value):
            return texts
    raise RuleError(path, f"give a list of 1 to {MAX_VALUES} texts.")


def _path(*parts: str) -> str:
    return ".".join(part for part in parts if part)
