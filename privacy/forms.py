"""What the DPO types. A form checks the shape; the actions decide."""

from datetime import date, datetime, time
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from privacy.models import Controller, Request
from privacy.requests.holidays import LANDS
from privacy.requests.purposes import Purpose

LONGEST_IDENTIFIER = 320
LONGEST_TEXT = 4000
NO_PURPOSE = ("", _("Choose a purpose …"))


def _today() -> date:
    return timezone.now().astimezone(ZoneInfo(settings.DISPLAY_TIME_ZONE)).date()


class PurposeForm(forms.Form):
    """Why: chosen before anything is shown."""

    purpose = forms.ChoiceField(label=_("Purpose"), choices=[NO_PURPOSE, *Purpose.choices])


class FindForm(PurposeForm):
    """By POST only, so that what is typed stands in no address and no log."""

    typed = forms.CharField(
        label=_("Phone number, e-mail address or name at the messenger"),
        max_length=LONGEST_IDENTIFIER,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    field_order = ["typed", "purpose"]


class NewRequestForm(forms.Form):
    """A request that came by post, e-mail or telephone."""

    kind = forms.ChoiceField(label=_("What is asked for"), choices=Request.Kind.choices)
    received_on = forms.DateField(
        label=_("Received on"),
        help_text=_("The clock starts on this day, not when it is entered."),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        initial=_today,
    )
    remark = forms.CharField(
        label=_("Remark"),
        help_text=_("How it came and what is asked for. Kept sealed."),
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=LONGEST_TEXT,
        required=False,
    )

    def clean_received_on(self) -> date:
        day: date = self.cleaned_data["received_on"]
        if day > _today():
            raise forms.ValidationError(_("This day is still to come."))
        return day

    def received_at(self) -> datetime:
        """Noon of that day where the controller is, so that no time zone moves it."""
        zone = ZoneInfo(settings.DISPLAY_TIME_ZONE)
        return datetime.combine(self.cleaned_data["received_on"], time(12), tzinfo=zone)


class NoteForm(forms.Form):
    text = forms.CharField(
        label=_("Remark"), widget=forms.Textarea(attrs={"rows": 3}), max_length=LONGEST_TEXT
    )


class ExtendForm(forms.Form):
    reasons = forms.CharField(
        label=_("Reasons"),
        help_text=_("The person is told these reasons (Art. 12(3) GDPR)."),
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=LONGEST_TEXT,
    )


class CloseForm(forms.Form):
    """How a request ends when no machinery ends it."""

    outcome = forms.ChoiceField(label=_("Outcome"))
    reasons = forms.CharField(
        label=_("Reasons"),
        help_text=_("Needed for a refusal and a partial answer; the person is told them."),
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=LONGEST_TEXT,
        required=False,
    )

    def __init__(self, *args: Any, outcomes: list[tuple[str, Any]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["outcome"].choices = outcomes  # type: ignore[attr-defined]


class EraseForm(forms.Form):
    suppress = forms.BooleanField(
        label=_("Keep the address from being imported again"),
        help_text=_("A slow keyed hash of the address stays; the address itself does not."),
        required=False,
        initial=True,
    )
    keep_evidence = forms.BooleanField(
        label=_("Keep the sealed proof of consent until its term ends"),
        help_text=_("For claims, Art. 17(3)(e) GDPR. Otherwise its key is destroyed as well."),
        required=False,
        initial=True,
    )


class ControllerForm(forms.ModelForm):  # type: ignore[type-arg]
    land = forms.ChoiceField(
        label=_("Land, for public holidays"),
        choices=[("", _("Only holidays of all Länder")), *LANDS],
        required=False,
    )

    imprint_url = forms.URLField(label=_("Imprint"), assume_scheme="https")

    class Meta:
        model = Controller
        fields = ("name", "address", "email", "imprint_url", "dpo_contact", "authority", "land")
        widgets: ClassVar[dict[str, Any]] = {
            "address": forms.Textarea(attrs={"rows": 3}),
            "dpo_contact": forms.Textarea(attrs={"rows": 3}),
        }


class AuditFilter(forms.Form):
    """Filters by fixed words only."""

    AREAS = (
        ("", _("Everything")),
        ("request", _("Requests")),
        ("package", _("Export packages")),
        ("erasure", _("Erasures")),
        ("person", _("Look-ups of people")),
        ("consent", _("Consent")),
        ("broadcast", _("Broadcasts")),
        ("import", _("Imports")),
        ("user", _("Staff")),
        ("role", _("Roles")),
        ("token", _("API tokens")),
        ("controller", _("Settings")),
    )
    ACTORS = (
        ("", _("Anybody")),
        ("staff", _("Staff")),
        ("subscriber", _("Subscribers")),
        ("token", _("Programs")),
        ("system", _("The house itself")),
    )
    area = forms.ChoiceField(label=_("Area"), choices=AREAS, required=False)
    actor = forms.ChoiceField(label=_("By"), choices=ACTORS, required=False)
    day = forms.DateField(
        label=_("Up to"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
