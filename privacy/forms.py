"""What the DPO types. A form checks the shape; the actions decide."""

from datetime import date, datetime, time
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from privacy.models import Controller, RecipientNotice, Request
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


class ReceiptForm(forms.Form):
    """Another day of receipt, and why."""

    received_on = forms.DateField(
        label=_("Received on"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    reasons = forms.CharField(label=_("Reason"), max_length=200)

    def received_at(self) -> datetime:
        """Noon of that day where the controller is."""
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
        help_text=_(
            "For a partial answer: what was left out, each with its reason. The person is told."
        ),
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=LONGEST_TEXT,
        required=False,
    )

    def __init__(self, *args: Any, outcomes: list[tuple[str, Any]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["outcome"].choices = outcomes  # type: ignore[attr-defined]


class RefuseForm(forms.Form):
    """A refusal under Art. 12(5): what the person is told, and what shows it."""

    reasons = forms.CharField(
        label=_("Reasons"),
        help_text=_("The person is told these, with the right to complain and to go to court."),
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=LONGEST_TEXT,
    )
    evidence = forms.CharField(
        label=_("What shows it"),
        help_text=_("The burden of proof is ours. Kept sealed and not told."),
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=LONGEST_TEXT,
    )


class RedactForm(forms.Form):
    redact = forms.CharField(
        label=_("Leave out"),
        help_text=_(
            "Words that concern somebody else, one in a line. They are forgotten as soon as it is"
            " made."
        ),
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off"}),
        max_length=LONGEST_TEXT,
        required=False,
    )

    def words(self) -> list[str]:
        return [line for line in self.cleaned_data.get("redact", "").splitlines() if line.strip()]


class RectifyForm(forms.Form):
    """What may be corrected; an empty field stays as it is."""

    first_name = forms.CharField(label=_("First name"), max_length=100, required=False)
    last_name = forms.CharField(label=_("Last name"), max_length=100, required=False)
    language = forms.ChoiceField(
        label=_("Language"), choices=[("", _("As it is")), *settings.LANGUAGES], required=False
    )
    address = forms.CharField(
        label=_("New e-mail address"),
        help_text=_(
            "A new address is a new identity: the old one gets nothing more, and the new one is"
            " asked for consent. From a messenger the person writes themselves."
        ),
        max_length=LONGEST_IDENTIFIER,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class LiftForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("The person is told before anything goes on (Art. 18(3) GDPR)."),
        widget=forms.Textarea(attrs={"rows": 2}),
        max_length=LONGEST_TEXT,
    )


class NoticeForm(forms.Form):
    """What a recipient was told or has answered."""

    notice = forms.UUIDField()
    status = forms.ChoiceField(choices=RecipientNotice.Status.choices)
    reply = forms.CharField(max_length=LONGEST_TEXT, required=False)


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
