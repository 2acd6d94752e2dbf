"""Which rule holds on a day, and what is due under it."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings

from privacy.models import RetentionRule
from privacy.retention.defaults import DEFAULTS, VALID_FROM


class NoTerm(LookupError):
    """This class of data stays as long as its purpose: no date can be computed."""


def ensure_defaults() -> int:
    """Write the default rules that are not there yet; how many. Runs after every migration."""
    known = set(RetentionRule.objects.values_list("data_class", flat=True))
    missing = [
        RetentionRule(
            data_class=name,
            starts_with=rule.starts_with,
            period=rule.period,
            years_to_year_end=rule.years_to_year_end,
            action=rule.action,
            legal_basis=rule.legal_basis,
            valid_from=VALID_FROM,
        )
        for name, rule in DEFAULTS.items()
        if name not in known
    ]
    return len(RetentionRule.objects.bulk_create(missing, ignore_conflicts=True))


def rule_of(data_class: str, day: date) -> RetentionRule:
    """The newest rule that is valid on `day`."""
    rules = RetentionRule.objects.filter(data_class=data_class, valid_from__lte=day)
    return rules.order_by("valid_from").reverse()[0]


def rules_on(day: date) -> list[RetentionRule]:
    """The rule of every class that holds on `day`."""
    rules = RetentionRule.objects.filter(valid_from__lte=day).order_by("data_class", "valid_from")
    return list({rule.data_class: rule for rule in rules}.values())


def starts_before(data_class: str, now: datetime) -> datetime:
    """Whatever began before this moment is due at `now`: what an expiry function asks with.

    Raises `NoTerm`.
    """
    zone = ZoneInfo(settings.DISPLAY_TIME_ZONE)
    today = now.astimezone(zone)
    rule = rule_of(data_class, today.date())
    if rule.years_to_year_end is not None:
        return datetime(today.year - rule.years_to_year_end, 1, 1, tzinfo=zone)
    if rule.period is not None:
        return now - rule.period
    raise NoTerm(f"{data_class} has no term.")
