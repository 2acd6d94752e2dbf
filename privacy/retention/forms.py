"""What an officer types about rules and holds. A form checks the shape; the actions decide."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as now_
from django.utils.translation import gettext_lazy as _

from privacy.models import RetentionRule
from privacy.requests.export.words import class_name
from privacy.retention.defaults import DEFAULTS
from privacy.retention.proposals import Change
from privacy.retention.terms import Term

DAYS, HOURS, MONTHS, YEAR_END = "days", "hours", "months", "year_end"
UNITS = (
    (HOURS, _("hours")),
    (DAYS, _("days")),
    (MONTHS, _("calendar months")),
    (YEAR_END, _("years, then to 31 December")),
)
LONGEST_TEXT = 2000
REVIEW_AFTER = timedelta(days=180)


def _tomorrow() -> date:
    return timezone.localdate() + timedelta(days=1)


def _next_review() -> date:
    return timezone.localdate() + REVIEW_AFTER


def _day(**more: Any) -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(widget=widget, **more)


class RuleForm(forms.Form):
    """A new version of a rule, filled in with the one that holds."""

    amount = forms.IntegerField(label=_("How long"), min_value=0, max_value=10_000)
    unit = forms.ChoiceField(label=_("Unit"), choices=UNITS)
    warn_months = forms.IntegerField(
        label=_("Warn after so many months"), min_value=1, max_value=600, required=False
    )
    valid_from = _day(
        label=_("Counts from"),
        help_text=_("Today or later, and not before a second person has approved it."),
        initial=_tomorrow,
    )
    legal_basis = forms.CharField(label=_("Law"), max_length=200)
    exceptions = forms.CharField(label=_("Exceptions"), max_length=200, required=False)
    owner = forms.CharField(label=_("Who answers for it"), max_length=80)
    outlier_percent = forms.IntegerField(
        label=_("Ask first from this share of the class (%)"), min_value=0, max_value=100
    )
    outlier_rows = forms.IntegerField(
        label=_("and from this number of rows"), min_value=0, max_value=2**31 - 1
    )
    reason = forms.CharField(
        label=_("Why it is to change"),
        help_text=_("Stays readable with the rule. Name no person."),
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, data: Any = None, *, rule: RetentionRule) -> None:
        super().__init__(data, initial=_as_typed(rule))
        self.rule = rule
        if rule.period is None and rule.months is None and rule.years_to_year_end is None:
            del self.fields["amount"], self.fields["unit"]
        if rule.warn_months is None:
            del self.fields["warn_months"]

    def change(self) -> Change:
        """What was typed, as the domain wants it; texts that were not touched stay as stored."""
        typed = self.cleaned_data
        texts = {
            name: typed[name] if name in self.changed_data else getattr(self.rule, name)
            for name in ("legal_basis", "exceptions", "owner")
        }
        return Change(
            term=_term(typed.get("amount"), typed.get("unit", "")),
            valid_from=typed["valid_from"],
            reason=typed["reason"],
            warn_months=typed.get("warn_months"),
            outlier_percent=typed["outlier_percent"],
            outlier_rows=typed["outlier_rows"],
            **texts,
        )


class HoldForm(forms.Form):
    """What must stay although its time is over."""

    subject = forms.UUIDField(
        label=_("Person"),
        help_text=_(
            "The random number on the person's page. Empty: everybody's data of the class."
        ),
        required=False,
    )
    data_class = forms.ChoiceField(label=_("Class of data"), required=False)
    reason = forms.CharField(
        label=_("Why"),
        help_text=_("The claim, the court, the file number. Kept sealed."),
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    review_at = _day(label=_("Look at it again on"), initial=_next_review)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = sorted(((name, class_name(name)) for name in DEFAULTS), key=lambda one: one[1])
        field = self.fields["data_class"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", now_("Every class")), *choices]


class ReviewForm(forms.Form):
    """A hold is still needed, and when somebody looks at it the next time."""

    review_at = _day(label=_("Look at it again on"), initial=_next_review)


def _as_typed(rule: RetentionRule) -> dict[str, Any]:
    amount, unit = _amount(rule)
    return {
        "amount": amount,
        "unit": unit,
        "warn_months": rule.warn_months,
        "legal_basis": now_(rule.legal_basis) if rule.legal_basis else "",
        "exceptions": now_(rule.exceptions) if rule.exceptions else "",
        "owner": now_(rule.owner) if rule.owner else "",
        "outlier_percent": rule.outlier_percent,
        "outlier_rows": rule.outlier_rows,
    }


def _amount(rule: RetentionRule) -> tuple[int, str]:
    if rule.years_to_year_end is not None:
        return rule.years_to_year_end, YEAR_END
    if rule.months is not None:
        return rule.months, MONTHS
    span = rule.period or timedelta(0)
    hours, rest = divmod(span, timedelta(hours=1))
    return (hours, HOURS) if span % timedelta(days=1) and not rest else (span.days, DAYS)


def _term(amount: int | None, unit: str) -> Term:
    if amount is None:
        return Term()
    if unit == YEAR_END:
        return Term(years_to_year_end=amount)
    if unit == MONTHS:
        return Term(months=amount)
    return Term(period=timedelta(hours=amount) if unit == HOURS else timedelta(days=amount))
