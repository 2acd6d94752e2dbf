"""What editors fill in. A form reads and checks; actions write."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from broadcasts.actions.write import Fields
from broadcasts.content import MAX_BUTTONS, MAX_LABEL, MAX_URL, ButtonData, channels_of, message
from broadcasts.media import MAX_UPLOAD_BYTES
from broadcasts.models import Broadcast, Media, SendingRules
from broadcasts.queries.lists import DeskFilter
from broadcasts.words import refused, topic_name
from messengers.contract import Content as Message
from messengers.markdown import MARKDOWN_MAX
from messengers.models import Channel
from subscriptions.models import LANGUAGES, Newsletter, Segment

EVERYBODY, CHOSEN, SAVED, KEPT = "everybody", "chosen", "segment", "kept"
LIVES = [
    ("", _("No limit")),
    ("2", _("2 hours")),
    ("6", _("6 hours")),
    ("24", _("1 day")),
    ("72", _("3 days")),
]
TRIAL_SIZES = (20, 50, 100, 256, 1000)
# The parts of a rule that the form can say: field -> word of subscriptions.audience.
RULE_WORDS = {
    "topics": "topic",
    "languages": "language",
    "channels": "channel",
    "subscribed_after": "subscribed_after",
    "subscribed_before": "subscribed_before",
}


def date_input() -> forms.DateInput:
    return forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


class BroadcastForm(forms.Form):
    """A draft as the editor writes it: content, audience, when it is too late."""

    seen_at = forms.DateTimeField(required=False, widget=forms.HiddenInput)
    broadcast = forms.UUIDField(required=False, widget=forms.HiddenInput)
    title = forms.CharField(
        label=_("Title"),
        max_length=120,
        help_text=_("Shown in this list, and as the subject of e-mails."),
    )
    language = forms.ChoiceField(label=_("Language of the text"), choices=LANGUAGES)
    markdown = forms.CharField(
        label=_("Text"),
        max_length=MARKDOWN_MAX,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text=_(
            "**bold**, *italic*, # heading, - list, > quote, [words](https://…). "
            "{first_name|reader} becomes the name, or “reader” for whoever told none."
        ),
    )
    image = forms.FileField(
        label=_("Picture"),
        required=False,
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/webp,image/gif"}),
        help_text=_(
            "JPEG, PNG, WebP or GIF, up to 10 MB. Place and camera are removed from the file."
        ),
    )
    remove_image = forms.BooleanField(label=_("Remove the picture"), required=False)
    image_alt = forms.CharField(
        label=_("Description of the picture"),
        max_length=300,
        required=False,
        help_text=_("For people who cannot see it: what is on it, in one sentence."),
    )
    who = forms.ChoiceField(label=_("Who gets it"), widget=forms.RadioSelect)
    segment = forms.ModelChoiceField(
        label=_("Saved segment"), queryset=Segment.objects.none(), required=False
    )
    topics = forms.MultipleChoiceField(
        label=_("Topics"), required=False, widget=forms.CheckboxSelectMultiple
    )
    languages = forms.MultipleChoiceField(
        label=_("Languages"),
        choices=LANGUAGES,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    channels = forms.MultipleChoiceField(
        label=_("Channels"), required=False, widget=forms.CheckboxSelectMultiple
    )
    subscribed_after = forms.DateField(
        label=_("Subscribed after"), required=False, widget=date_input()
    )
    subscribed_before = forms.DateField(
        label=_("Subscribed before"), required=False, widget=date_input()
    )
    expires_after = forms.TypedChoiceField(
        label=_("Too late after"),
        choices=LIVES,
        required=False,
        coerce=lambda hours: timedelta(hours=int(hours)),
        empty_value=None,
        help_text=_("Whoever has not got it by then does not get it any more."),
    )
    is_ai_text = forms.BooleanField(
        required=False,
        label=_("Written by a machine (AI) and not reviewed by the editors"),
        help_text=_("Then the message says so in its first line (Art. 50(4) AI Act)."),
    )
    canary_size = forms.TypedChoiceField(
        label=_("Trial batch"),
        required=False,
        coerce=int,
        empty_value=None,
        help_text=_(
            "A few readers get it first; the others wait for the outcome. Urgent news have none."
        ),
    )
    is_urgent = forms.BooleanField(
        label=_("Urgent: send it in the quiet hours too"), required=False
    )
    urgent_why = forms.CharField(
        label=_("Why it cannot wait"),
        max_length=200,
        required=False,
        help_text=_("Kept with the broadcast. No names of readers."),
    )

    def __init__(
        self, *args: Any, newsletter: Newsletter, draft: Broadcast | None = None, **options: Any
    ) -> None:
        self.newsletter = newsletter
        self.draft = draft
        if draft is not None:
            options.setdefault("initial", {}).update(initial_of(draft))
        else:
            options.setdefault("initial", {"expires_after": "24"})  # news grow old
        super().__init__(*args, **options)
        self._offer(channels_of(newsletter))
        for number in range(1, MAX_BUTTONS + 1):
            self.fields[f"button_label_{number}"] = forms.CharField(
                label=_("Label"), max_length=MAX_LABEL, required=False
            )
            self.fields[f"button_url_{number}"] = forms.CharField(
                label=_("Web address"),
                max_length=MAX_URL,
                required=False,
                widget=forms.TextInput(attrs={"inputmode": "url", "placeholder": "https://"}),
            )

    def _offer(self, channels: list[Channel]) -> None:
        """The choices of this newsletter."""
        topics = self.newsletter.topics.all()
        self._choices("topics", [(topic.slug, topic_name(topic)) for topic in topics])
        self._choices("channels", [(str(channel.pk), channel.name) for channel in channels])
        segments = Segment.objects.filter(newsletter=self.newsletter).order_by("name")
        self.fields["segment"].queryset = segments  # type: ignore[attr-defined]
        ways = [(EVERYBODY, _("All subscribers")), (CHOSEN, _("Only those whom I choose"))]
        if segments:
            ways.append((SAVED, _("A saved segment")))
        if self.draft and self.draft.segment is None and read_rule(self.draft.audience) is None:
            ways.append((KEPT, _("The rule it has")))
        self._choices("who", ways)
        self._choices("canary_size", trial_sizes(SendingRules.of(self.newsletter).canary_size))
        self.fields["who"].initial = EVERYBODY

    def _choices(self, name: str, choices: list[tuple[str, Any]]) -> None:
        self.fields[name].choices = choices  # type: ignore[attr-defined]

    @property
    def button_rows(self) -> list[tuple[int, forms.BoundField, forms.BoundField]]:
        return [
            (number, self[f"button_label_{number}"], self[f"button_url_{number}"])
            for number in range(1, MAX_BUTTONS + 1)
        ]

    @property
    def stored_image(self) -> Media | None:
        """The picture that the draft has already."""
        return self.draft.content.image if self.draft else None

    def clean_image(self) -> Any:
        upload = self.cleaned_data["image"]
        if upload and upload.size > MAX_UPLOAD_BYTES:
            raise forms.ValidationError(refused("too_big"))
        return upload

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if data.get("is_urgent") and not data.get("urgent_why", "").strip():
            self.add_error("urgent_why", _("Say why it cannot wait until the quiet hours end."))
        if data.get("who") == SAVED and not data.get("segment"):
            self.add_error("segment", _("Choose a segment."))
        if data.get("who") == CHOSEN and not self.rule():
            self.add_error("who", _("Choose at least one topic, language, channel or date."))
        self._clean_buttons()
        if self._has_image() and not data.get("image_alt", "").strip():
            self.add_error("image_alt", _("Describe the picture for people who cannot see it."))
        return data

    def _clean_buttons(self) -> None:
        for number in range(1, MAX_BUTTONS + 1):
            label = self.cleaned_data.get(f"button_label_{number}", "")
            url = self.cleaned_data.get(f"button_url_{number}", "")
            if label and not url and f"button_url_{number}" not in self.errors:
                self.add_error(f"button_url_{number}", _("Where does the button lead?"))
            if url and not label and f"button_label_{number}" not in self.errors:
                self.add_error(f"button_label_{number}", _("What does the button say?"))
            if url and not url.lower().startswith(("https://", "http://", "{")):
                self.add_error(
                    f"button_url_{number}", _("A whole web address begins with https://.")
                )

    def _has_image(self) -> bool:
        data = self.cleaned_data
        return bool(data.get("image") or (self.stored_image and not data.get("remove_image")))

    def rule(self) -> dict[str, Any]:
        """The audience as a rule of subscriptions.audience."""
        data = self.cleaned_data
        if data.get("who") == SAVED and data.get("segment"):
            rule: dict[str, Any] = data["segment"].rule
            return rule
        if data.get("who") == KEPT and self.draft:
            return self.draft.audience  # type: ignore[no-any-return]
        if data.get("who") != CHOSEN:
            return {}
        said = {word: data.get(name) for name, word in RULE_WORDS.items()}
        parts = [{word: _plain(value)} for word, value in said.items() if value]
        return {"all": parts} if parts else {}

    def buttons(self) -> list[ButtonData]:
        """The complete ones; a half-written one is not shown yet."""
        pairs = (
            (
                self.cleaned_data.get(f"button_label_{number}", ""),
                self.cleaned_data.get(f"button_url_{number}", ""),
            )
            for number in range(1, MAX_BUTTONS + 1)
        )
        return [{"label": label, "url": url} for label, url in pairs if label and url]

    def message(self) -> Message:
        """What the message would be; also of a form that is only half filled in."""
        self.is_valid()
        data = self.cleaned_data
        has_image = self.stored_image and not data.get("remove_image")
        return message(
            title=data.get("title", ""),
            markdown=data.get("markdown", ""),
            language=data.get("language", "de"),
            buttons=self.buttons(),
            image=self.stored_image if has_image else None,
            image_alt=data.get("image_alt", "") or "…",
            is_ai_text=data.get("is_ai_text", False),
            newsletter=self.newsletter,
        )

    def written(self) -> Fields:
        """All but the picture, as `create_broadcast` and `edit_broadcast` take it."""
        data = self.cleaned_data
        return {
            "title": data["title"],
            "markdown": data["markdown"],
            "language": data["language"],
            "buttons": self.buttons(),
            "is_ai_text": data["is_ai_text"],
            "image_alt": data["image_alt"].strip() if self._has_image() else "",
            "audience": self.rule(),
            "segment": data["segment"] if data["who"] == SAVED else None,
            "is_urgent": data["is_urgent"],
            "urgent_why": data["urgent_why"].strip() if data["is_urgent"] else "",
            "expires_after": data["expires_after"],
            "canary_size": data["canary_size"],
        }


def trial_sizes(by_rule: int) -> list[tuple[str, Any]]:
    """How many may go first; the newsletter's own rule above all."""
    usual = _("As usual: %(count)d people") if by_rule else _("As usual: none")
    sizes = [(str(size), _("%(count)d people") % {"count": size}) for size in TRIAL_SIZES]
    return [("", usual % {"count": by_rule} if by_rule else usual), ("0", _("None")), *sizes]


def initial_of(draft: Broadcast) -> dict[str, Any]:
    """A saved draft as the form shows it."""
    content = draft.content
    initial: dict[str, Any] = {
        "seen_at": draft.edited_at.isoformat(),
        "broadcast": draft.pk,
        "title": draft.title,
        "language": content.language,
        "markdown": content.markdown,
        "image_alt": content.image_alt,
        "is_ai_text": content.is_ai_text,
        "is_urgent": draft.is_urgent,
        "urgent_why": draft.urgent_why,
        "expires_after": _hours(draft.expires_after),
        "canary_size": "" if draft.canary_size is None else str(draft.canary_size),
        "segment": draft.segment,
        **_audience_of(draft),
    }
    for number, button in enumerate(content.buttons, 1):
        initial[f"button_label_{number}"] = button["label"]
        initial[f"button_url_{number}"] = button["url"]
    return initial


def read_rule(rule: dict[str, Any]) -> dict[str, Any] | None:
    """The form's fields that say this rule; None if the form cannot say it."""
    names = {word: name for name, word in RULE_WORDS.items()}
    found: dict[str, Any] = {}
    parts = rule.get("all", []) if set(rule) <= {"all"} else None
    if not isinstance(parts, list):
        return None
    for part in parts:
        if not isinstance(part, dict) or len(part) != 1:
            return None
        word, value = next(iter(part.items()))
        if word not in names or names[word] in found:
            return None
        found[names[word]] = value
    return found


def _audience_of(draft: Broadcast) -> dict[str, Any]:
    if draft.segment:
        return {"who": SAVED}
    found = read_rule(draft.audience)
    if found is None:
        return {"who": KEPT}
    return {"who": CHOSEN if found else EVERYBODY, **found}


def _plain(value: Any) -> Any:
    return value if isinstance(value, list) else value.isoformat()


def _hours(life: timedelta | None) -> str:
    return str(int(life.total_seconds() // 3600)) if life else ""


class TestAddressForm(forms.Form):
    """Where a test goes to, the first time."""

    __test__ = False  # this is no test case

    channel = forms.ModelChoiceField(label=_("Channel"), queryset=Channel.objects.none())
    address = forms.CharField(
        label=_("Your own address there"),
        max_length=254,
        help_text=_("Your number or e-mail address. It is stored sealed and forgotten in a month."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, newsletter: Newsletter, **options: Any) -> None:
        super().__init__(*args, **options)
        channels = newsletter.channels.filter(status=Channel.Status.ACTIVE).order_by("name")
        field = self.fields["channel"]
        field.queryset = channels  # type: ignore[attr-defined]
        field.label_from_instance = lambda channel: channel.name  # type: ignore[attr-defined]
        field.empty_label = None  # type: ignore[attr-defined]


class DeskFilterForm(forms.Form):
    """What the list is asked for. Anything it does not know is ignored."""

    q = forms.CharField(label=_("Title contains"), max_length=80, required=False)
    newsletter = forms.ChoiceField(label=_("Newsletter"), required=False)
    status = forms.ChoiceField(
        label=_("State"), choices=[("", _("All")), *Broadcast.Status.choices], required=False
    )
    since = forms.DateField(label=_("Made since"), required=False, widget=date_input())
    until = forms.DateField(label=_("Made until"), required=False, widget=date_input())

    def __init__(self, *args: Any, newsletters: list[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        choices = [("", _("All")), *newsletters]
        self.fields["newsletter"].choices = choices  # type: ignore[attr-defined]

    def asked(self) -> DeskFilter:
        self.is_valid()
        data = self.cleaned_data
        return DeskFilter(
            newsletter=data.get("newsletter", ""),
            status=data.get("status", ""),
            q=data.get("q", ""),
            since=data.get("since"),
            until=data.get("until"),
        )


def uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
