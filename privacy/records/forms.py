"""What is typed on the pages of records, processors and breaches. The actions decide."""

from datetime import datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _

from privacy.models import Incident, Processor
from privacy.records import affected
from privacy.records.incidents import TEXTS
from privacy.records.places import BROADCAST, CHANNEL, NEWSLETTER, places
from privacy.records.processors import FACTS, MAX_FILE_BYTES, Contract
from privacy.records.suggestions import suggestion_for
from privacy.requests.purposes import Purpose

Files = MultiValueDict[str, Any]
LONGEST_TEXT = 4000
NOTHING = ("", "–")
DATE = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
CONTRACT_TYPES = "application/pdf,image/png,image/jpeg"


def _lines(rows: int = 3) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows})


def _moment() -> forms.DateTimeInput:
    return forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class ProcessorForm(forms.Form):
    """A company that gets data. Nothing is demanded here: what is missing is named on the page."""

    service = forms.ChoiceField(
        label=_("What it does for us"),
        choices=[c for c in Processor.Service.choices if c[0] != Processor.Service.CHANNEL],
    )
    name = forms.CharField(label=_("Company"), max_length=120, required=False)
    purpose = forms.CharField(
        label=_("What for"), max_length=200, required=False, help_text=_("In a few words")
    )
    role = forms.ChoiceField(
        label=_("Its role"), choices=[NOTHING, *Processor.Role.choices], required=False
    )
    country = forms.CharField(
        label=_("Country"), max_length=2, required=False, help_text=_("Two letters, such as DE")
    )
    transfer = forms.ChoiceField(
        label=_("Instrument of transfer"),
        choices=[NOTHING, *Processor.Transfer.choices],
        required=False,
    )
    contract = forms.CharField(
        label=_("Contract"),
        max_length=200,
        required=False,
        help_text=_("Its name or reference: processing agreement (AVV, DPA), terms"),
    )
    contract_on = forms.DateField(label=_("Contract of"), widget=DATE, required=False)
    contract_file = forms.FileField(
        label=_("The signed contract"),
        required=False,
        help_text=_("Kept sealed, with its SHA-256. 10 MB at most."),
        widget=forms.ClearableFileInput(attrs={"accept": CONTRACT_TYPES}),
    )
    sub_processors = forms.CharField(
        label=_("Sub-processors"), widget=_lines(2), max_length=LONGEST_TEXT, required=False
    )
    retention = forms.CharField(label=_("How long it keeps data"), max_length=300, required=False)
    decision = forms.CharField(
        label=_("Why it is used in spite of a warning"),
        help_text=_("Needed where there is a warning: who decided it, and what was weighed."),
        widget=_lines(2),
        max_length=LONGEST_TEXT,
        required=False,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["country"].widget.attrs["autocapitalize"] = "characters"

    def clean_country(self) -> str:
        return str(self.cleaned_data["country"]).upper()

    def clean_contract_file(self) -> "UploadedFile[Any] | None":
        file: UploadedFile[Any] | None = self.cleaned_data["contract_file"]
        if file and (file.size or 0) > MAX_FILE_BYTES:
            raise forms.ValidationError(_("The file of a contract may have 10 MB at most."))
        return file

    @property
    def facts(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in FACTS} | self._service()

    def _service(self) -> dict[str, Any]:
        return {"service": self.cleaned_data["service"]}

    @property
    def file(self) -> Contract | None:
        file = self.cleaned_data.get("contract_file")
        return Contract(file.read(), file.content_type or "") if file else None

    @classmethod
    def filled(cls, row: Processor | None, data: Any = None, files: Files | None = None) -> Self:
        known = {name: getattr(row, name) for name in (*FACTS, "service")} if row else {}
        return cls(data, files or None, initial=known)


class ProfileForm(ProcessorForm):
    """The profile of a channel's provider, beside the form of the account."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, prefix="profile", **kwargs)
        del self.fields["service"]

    def _service(self) -> dict[str, Any]:
        return {}

    @classmethod
    def suggested(cls, kind: str, data: Any = None, files: Files | None = None) -> Self:
        """Filled in with what is publicly known about this messenger."""
        known = suggestion_for(kind)
        return cls(
            data, files or None, initial={n: getattr(known, n) for n in FACTS if hasattr(known, n)}
        )

    @classmethod
    def of(
        cls, row: Processor | None, kind: str, data: Any = None, files: Files | None = None
    ) -> Self:
        if row is None:
            return cls.suggested(kind, data, files)
        return cls(data, files or None, initial={name: getattr(row, name) for name in FACTS})


class TextForm(forms.Form):
    text_de = forms.CharField(
        label=_("German"), widget=_lines(6), max_length=20_000, required=False
    )
    text_en = forms.CharField(
        label=_("English"), widget=_lines(6), max_length=20_000, required=False
    )


class TermForm(forms.Form):
    hours = forms.IntegerField(label=_("Hours"), min_value=1, max_value=24 * 365)
    valid_from = forms.DateField(label=_("From"), widget=DATE)
    source = forms.CharField(label=_("Law"), max_length=120)


class _Times(forms.Form):
    """Times are typed as people read them where the publisher is."""

    def _aware(self, name: str) -> datetime | None:
        typed: datetime | None = self.cleaned_data.get(name)
        if typed is None:
            return None
        return typed.replace(tzinfo=ZoneInfo(settings.DISPLAY_TIME_ZONE))


class _NaiveDateTime(forms.DateTimeField):
    """A local time without a zone: the form knows which is meant."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=_moment(), input_formats=["%Y-%m-%dT%H:%M"], **kwargs)

    def to_python(self, value: Any) -> Any:
        found = super().to_python(value)
        return found.replace(tzinfo=None) if isinstance(found, datetime) else found

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, datetime) and timezone.is_aware(value):
            return value.astimezone(ZoneInfo(settings.DISPLAY_TIME_ZONE)).replace(tzinfo=None)
        return value


class NewIncidentForm(_Times):
    title = forms.CharField(label=_("What it is called here"), max_length=200)
    aware_at = _NaiveDateTime(
        label=_("Known since"),
        help_text=_(
            "When somebody of the house or a processor told you: the clock runs from then."
        ),
    )
    what = forms.CharField(
        label=_("What happened"), widget=_lines(), max_length=LONGEST_TEXT, required=False
    )

    def clean_aware_at(self) -> datetime:
        known = self._aware("aware_at")
        assert known
        if known > timezone.now():
            raise forms.ValidationError(_("This moment is still to come."))
        return known


class FactsForm(_Times):
    """All that is known by now; each change becomes a line of the file."""

    began_at = _NaiveDateTime(label=_("Began"), required=False)
    ended_at = _NaiveDateTime(label=_("Ended"), required=False)
    keys = forms.ChoiceField(label=_("Were keys compromised?"), choices=Incident.Keys.choices)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for key, label in TEXTS.items():
            self.fields[key] = forms.CharField(
                label=label, widget=_lines(), max_length=LONGEST_TEXT, required=False
            )

    def clean(self) -> dict[str, Any]:
        self.cleaned_data |= {name: self._aware(name) for name in ("began_at", "ended_at")}
        return self.cleaned_data

    @property
    def texts(self) -> dict[str, str]:
        return {key: self.cleaned_data[key] for key in TEXTS}


class ScopeForm(_Times):
    """Whose data it was: one choice of the list, or a time."""

    what = forms.ChoiceField(label=_("Whose data?"))
    since = _NaiveDateTime(label=_("From"), required=False)
    until = _NaiveDateTime(
        label=_("Until"), required=False, help_text=_("For a backup: when it was made")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["what"].choices = _scopes()  # type: ignore[attr-defined]

    def chosen(self) -> dict[str, Any]:
        kind, _colon, ref = self.cleaned_data["what"].partition(":")
        times = {name: self._aware(name) for name in ("since", "until")}
        return {"kind": kind, "ref": ref, **times}


def _scopes() -> list[tuple[str, Any]]:
    """Grouped, as a select shows it; values are "kind:ref"."""
    zone = ZoneInfo(settings.DISPLAY_TIME_ZONE)
    made = [
        (f"{affected.BACKUP}:{each.ref}", f"{each.at.astimezone(zone):%Y-%m-%d %H:%M}")
        for each in affected.backups()
    ]
    grouped: list[tuple[str, Any]] = [
        (
            str(affected.KINDS[affected.BACKUP]),
            [(f"{affected.BACKUP}:", _("a backup made at the time below")), *made],
        ),
        (str(affected.KINDS[affected.EVERYBODY]), [(f"{affected.EVERYBODY}:", _("everybody"))]),
    ]
    for kind in (CHANNEL, NEWSLETTER, BROADCAST):
        rows = [(f"{kind}:{place.ref}", _name(place.name, place.detail)) for place in places(kind)]
        grouped.append((str(affected.KINDS[kind]), rows))
    epochs = [(f"{affected.EPOCH}:{number}", str(number)) for number, *_span in affected.epochs()]
    grouped.append((str(affected.KINDS[affected.EPOCH]), epochs))
    grouped.append((str(affected.KINDS[affected.STAFF]), _staff()))
    return [group for group in grouped if group[1]]


def _staff() -> list[tuple[str, str]]:
    from privacy.models import User

    return [(f"{affected.STAFF}:{user.pk}", str(user)) for user in User.objects.order_by("name")]


def _name(name: str, detail: str) -> str:
    return f"{name} ({detail})" if detail else name


class DecisionForm(forms.Form):
    risk = forms.ChoiceField(
        label=_("Risk for the people"),
        choices=[c for c in Incident.Risk.choices if c[0] != Incident.Risk.OPEN],
    )
    reasons = forms.CharField(label=_("Reasons"), widget=_lines(), max_length=LONGEST_TEXT)


class ReportForm(_Times):
    at = _NaiveDateTime(label=_("Reported"))
    reference = forms.CharField(label=_("Number at the authority"), max_length=200, required=False)

    def clean_at(self) -> datetime:
        reported = self._aware("at")
        assert reported
        if reported > timezone.now():
            raise forms.ValidationError(_("This moment is still to come."))
        return reported


class SuppressionForm(forms.Form):
    """By POST only, so that what is typed stands in no address and no log."""

    typed = forms.CharField(
        label=_("Phone number, e-mail address or name at the messenger"),
        max_length=320,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    purpose = forms.ChoiceField(
        label=_("Purpose"), choices=[("", _("Choose a purpose …")), *Purpose.choices]
    )
