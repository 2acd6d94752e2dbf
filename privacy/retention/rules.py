"""Which rule holds on a day, and what is due under it."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings

from privacy.models import RetentionRule
from privacy.retention.defaults import DEFAULTS, VALID_FROM
from privacy.retention.terms import NoTerm, Term

__all__ = [
    "NoTerm",
    "ends_at",
    "ensure_defaults",
    "history_of",
    "rule_of",
    "rules_on",
    "starts_before",
    "term_of",
    "zone",
]
APPROVED = RetentionRule.Status.APPROVED


def ensure_defaults() -> int:
    """Write the default rules that are not there yet; how many. Runs after every migration."""
    rows = list(RetentionRule.objects.values_list("data_class", "owner", "proposed_by"))
    known = {name for name, _owner, _by in rows}
    for name in {name for name, owner, by in rows if not owner and by is None}:
        _complete(name)
    missing = [
        RetentionRule(
            data_class=name,
            starts_with=rule.starts_with,
            period=rule.period,
            months=rule.months,
            warn_months=rule.warn_months,
            years_to_year_end=rule.years_to_year_end,
            action=rule.action,
            legal_basis=rule.legal_basis,
            exceptions=rule.exceptions,
            owner=rule.owner,
            outlier_percent=rule.outlier_percent,
            valid_from=VALID_FROM,
        )
        for name, rule in DEFAULTS.items()
        if name not in known
    ]
    return len(RetentionRule.objects.bulk_create(missing, ignore_conflicts=True))


def _complete(data_class: str) -> None:
    """What older defaults did not say yet; their terms stay as they are."""
    default = DEFAULTS.get(data_class)
    if default:
        RetentionRule.objects.filter(data_class=data_class, owner="", proposed_by=None).update(
            owner=default.owner, exceptions=default.exceptions, warn_months=default.warn_months
        )


def rule_of(data_class: str, day: date) -> RetentionRule:
    """The newest approved rule that is valid on `day`."""
    rules = RetentionRule.objects.filter(
        data_class=data_class, valid_from__lte=day, status=APPROVED
    )
    return rules.order_by("valid_from").reverse()[0]


def rules_on(day: date) -> list[RetentionRule]:
    """The approved rule of every class that holds on `day`."""
    rules = RetentionRule.objects.filter(valid_from__lte=day, status=APPROVED)
    ordered = rules.order_by("data_class", "valid_from")
    return list({rule.data_class: rule for rule in ordered}.values())


def history_of(data_class: str) -> list[RetentionRule]:
    """Every version that was ever proposed, the newest first."""
    return list(RetentionRule.objects.filter(data_class=data_class).order_by("-version"))


def term_of(rule: RetentionRule) -> Term:
    return Term(rule.period, rule.months, rule.years_to_year_end)


def zone() -> ZoneInfo:
    """Whose days and years count."""
    return ZoneInfo(settings.DISPLAY_TIME_ZONE)


def ends_at(data_class: str, start: datetime) -> datetime:
    """When what begins at `start` must be gone, by the rule of that day. Raises `NoTerm`.

    For rows that keep their own end: a rule changed later does not change it.
    """
    rule = rule_of(data_class, start.astimezone(zone()).date())
    return term_of(rule).ends_at(start, zone())


def starts_before(data_class: str, now: datetime) -> datetime:
    """Whatever began before this moment is due at `now`: what an expiry function asks with.

    Raises `NoTerm`.
    """
    rule = rule_of(data_class, now.astimezone(zone()).date())
    return term_of(rule).starts_before(now, zone())
