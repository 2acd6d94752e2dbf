"""Changing a rule: one person proposes, another one approves; what was stays visible.

A proposal is a new version with the day from which it counts. It may stay open, be refused, or be
followed by others; rules are never edited.
"""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import RetentionRule, SecondApproval
from privacy.requests import approvals
from privacy.requests.errors import RequestError
from privacy.retention.defaults import DEFAULTS
from privacy.retention.rules import rule_of, term_of, zone
from privacy.retention.terms import DAYS_PER_MONTH, DAYS_PER_YEAR, Term

KIND = "retention.rule"
Status = RetentionRule.Status
# What two versions of a rule are compared by.
COMPARED = (
    "term",
    "warn_months",
    "starts_with",
    "action",
    "legal_basis",
    "exceptions",
    "owner",
    "outlier_percent",
    "outlier_rows",
    "valid_from",
)


class RuleRefused(RequestError):
    """A rule that the law does not allow, or that says nothing; the text is for the page."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Change:
    """What somebody wants a rule to be; what is None stays as it is."""

    term: Term
    valid_from: date
    reason: str
    warn_months: int | None = None
    legal_basis: str | None = None
    exceptions: str | None = None
    owner: str | None = None
    outlier_percent: int | None = None
    outlier_rows: int | None = None


@dataclass(frozen=True)
class Difference:
    """One field of a rule before and after a change."""

    field: str
    before: object
    after: object


@transaction.atomic
def propose(data_class: str, change: Change, *, actor: Actor) -> RetentionRule:
    """A new version that counts once a second person has approved it. Raises `RuleRefused`."""
    require(actor, "retention.manage")
    if data_class not in DEFAULTS:
        raise RuleRefused(_("There is no such class of data."))
    before = rule_of(data_class, change.valid_from)
    check(data_class, change, before)
    made = _version(before, change, actor)
    facts: approvals.Facts = {"data_class": data_class, "version": made.version}
    approvals.ask(KIND, made.pk, actor, facts | {"valid_from": str(made.valid_from)})
    record("retention.rule_proposed", actor=actor, obj="retention_rule", ref=made.pk, facts=facts)
    return made


def check(data_class: str, change: Change, before: RetentionRule) -> None:
    """Raise `RuleRefused` with a sentence that says what is wrong and what would be right."""
    if change.valid_from < timezone.now().astimezone(zone()).date():
        raise RuleRefused(_("A rule counts from today or a later day, never for the past."))
    if not change.reason.strip():
        raise RuleRefused(_("Say why the rule is to change."))
    if term_of(before).is_open != change.term.is_open:
        raise RuleRefused(_("Whether this class has a term at all follows from its purpose."))
    _check_limits(data_class, change.term)
    warn, months = change.warn_months, change.term.months
    if warn is not None and months is not None and warn >= months:
        raise RuleRefused(_("The warning must come before the end."))
    same_day = RetentionRule.objects.filter(
        data_class=data_class, valid_from=change.valid_from, status=Status.APPROVED
    )
    if same_day.exists():
        raise RuleRefused(_("Another rule begins on that day already. Choose a later one."))


def differences(rule: RetentionRule, before: RetentionRule | None) -> list[Difference]:
    """What a version changes against the one that it follows; all of it for the first one."""
    pairs = [(name, _value(before, name), _value(rule, name)) for name in COMPARED]
    return [Difference(*pair) for pair in pairs if pair[1] != pair[2]]


def predecessor(rule: RetentionRule) -> RetentionRule | None:
    """The approved version that holds, or held, until this one."""
    older = RetentionRule.objects.filter(
        data_class=rule.data_class, status=Status.APPROVED, version__lt=rule.version
    )
    return older.order_by("version").last()


def approve(approval: SecondApproval, actor: Actor) -> None:
    """Counts from its day on, and at the earliest from today."""
    rule = RetentionRule.objects.select_for_update().get(pk=UUID(approval.ref))
    today = timezone.now().astimezone(zone()).date()
    rule.valid_from = max(rule.valid_from, today)
    taken = RetentionRule.objects.filter(
        data_class=rule.data_class, valid_from=rule.valid_from, status=Status.APPROVED
    )
    if taken.exists():
        raise RuleRefused(_("Another rule begins on that day already. Propose it anew."))
    _decide(rule, Status.APPROVED, actor)


def refuse(approval: SecondApproval, actor: Actor) -> None:
    rule = RetentionRule.objects.select_for_update().get(pk=UUID(approval.ref))
    _decide(rule, Status.REFUSED, actor)


def _check_limits(data_class: str, term: Term) -> None:
    limits = DEFAULTS[data_class]
    why = _(limits.limit_why) if limits.limit_why else ""
    if limits.at_least is not None and term.shortest_days() < limits.at_least:
        shortest = _in_words(limits.at_least)
        raise RuleRefused(_("At least %(term)s. %(why)s") % {"term": shortest, "why": why})
    if limits.at_most is not None and term.longest_days() > limits.at_most:
        longest = _in_words(limits.at_most)
        raise RuleRefused(_("At most %(term)s. %(why)s") % {"term": longest, "why": why})


def _in_words(days: float) -> str:
    years = round(days / DAYS_PER_YEAR)
    if years and abs(days - years * DAYS_PER_YEAR) < years + 1:
        return ngettext("%(n)d year", "%(n)d years", years) % {"n": years}
    if days >= 2 * DAYS_PER_MONTH:
        months = round(days / DAYS_PER_MONTH)
        return ngettext("%(n)d month", "%(n)d months", months) % {"n": months}
    return ngettext("%(n)d day", "%(n)d days", round(days)) % {"n": round(days)}


def _version(before: RetentionRule, change: Change, actor: Actor) -> RetentionRule:
    newest = RetentionRule.objects.filter(data_class=before.data_class).aggregate(Max("version"))
    kept = ("legal_basis", "exceptions", "owner", "outlier_percent", "outlier_rows")
    asked = {name: getattr(change, name) for name in kept}
    values = {
        name: getattr(before, name) if value is None else value for name, value in asked.items()
    }
    return RetentionRule.objects.create(
        data_class=before.data_class,
        version=newest["version__max"] + 1,
        starts_with=before.starts_with,
        period=change.term.period,
        months=change.term.months,
        years_to_year_end=change.term.years_to_year_end,
        warn_months=change.warn_months,
        action=before.action,
        valid_from=change.valid_from,
        status=Status.PROPOSED,
        reason=change.reason.strip(),
        proposed_by=actor.ref,
        proposed_at=timezone.now(),
        **values,
    )


def _decide(rule: RetentionRule, status: RetentionRule.Status, actor: Actor) -> None:
    rule.status, rule.decided_by, rule.decided_at = status, actor.ref, timezone.now()
    rule.save(update_fields=["status", "decided_by", "decided_at", "valid_from"])
    facts: approvals.Facts = {"data_class": rule.data_class, "version": rule.version}
    record(f"retention.rule_{status}", actor=actor, obj="retention_rule", ref=rule.pk, facts=facts)


def _value(rule: RetentionRule | None, name: str) -> object:
    if rule is None:
        return None
    return term_of(rule) if name == "term" else getattr(rule, name)


approvals.register(
    KIND,
    gettext_lazy("Change a retention rule"),
    page="privacy:retention_version",
    on_approval=approve,
    on_refusal=refuse,
)
