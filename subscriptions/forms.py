"""What people and editors may send us, checked at the edge; actions do the rest."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils.text import slugify
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from messengers.channels import adapter_of
from messengers.contract import BadAddress
from messengers.models import Channel
from subscriptions.children import limit_of
from subscriptions.models import (
    AGE_REACHED,
    LANGUAGES,
    Keyword,
    Newsletter,
    SourceForm,
    Subscription,
    Topic,
)

YOUNGER = "younger"
MAX_ADDRESS = 254  # RFC 5321, section 4.5.3.1.3


class TopicChoice(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Topics by their name in the page's language."""

    widget = forms.CheckboxSelectMultiple

    def label_from_instance(self, obj: Any) -> str:
        return str(topic_name(obj))


def topic_name(topic: Topic) -> str:
    return topic.name(get_language() or "de")


class ChoicesForm(forms.Form):
    """What somebody may choose before they ask, with their age where it matters.

    Nothing is ticked before. Of the age only the declaration is asked, no date of birth.
    """

    topics = TopicChoice(queryset=Topic.objects.none(), required=False, label=_("Topics"))
    language = forms.ChoiceField(choices=LANGUAGES, label=_("Language of the messages"))

    def __init__(self, *args: Any, newsletter: Newsletter, channel: Channel, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        topics = self.fields["topics"]
        assert isinstance(topics, TopicChoice)
        topics.queryset = newsletter.topics.all()
        topics.help_text = _("Without a choice you get all topics.")
        self.initial.setdefault("language", get_language())
        limit = limit_of(newsletter)
        if limit:
            self.fields["age"] = forms.ChoiceField(
                label=_("How old are you?"),
                widget=forms.RadioSelect,
                choices=[
                    (AGE_REACHED, _("%(limit)s or older") % {"limit": limit}),
                    (YOUNGER, _("younger than %(limit)s") % {"limit": limit}),
                ],
                help_text=_("Only this answer is kept, no date of birth."),
            )

    @property
    def is_too_young(self) -> bool:
        return self.cleaned_data.get("age") == YOUNGER

    @property
    def age_reached(self) -> bool:
        return self.cleaned_data.get("age") == AGE_REACHED


class SignUpForm(ChoicesForm):
    """Asking for a newsletter at an address we may write to first."""

    address = forms.CharField(label=_("E-mail address"), max_length=MAX_ADDRESS)
    field_order = ("address", "topics", "language", "age")

    def __init__(self, *args: Any, newsletter: Newsletter, channel: Channel, **kwargs: Any) -> None:
        kwargs["prefix"] = str(channel.pk)
        super().__init__(*args, newsletter=newsletter, channel=channel, **kwargs)
        self._adapter = adapter_of(channel)
        address = self.fields["address"].widget
        address.attrs |= {"autocomplete": "email", "inputmode": "email", "spellcheck": "false"}

    def clean_address(self) -> str:
        """The spelling in which the messenger knows it; what it cannot be, is refused here."""
        try:
            return self._adapter.canonical(self.cleaned_data["address"])
        except BadAddress:
            raise forms.ValidationError(
                _("This is no e-mail address. Example: name@example.org")
            ) from None


class PreferencesForm(forms.Form):
    topics = TopicChoice(queryset=Topic.objects.none(), required=False, label=_("Topics"))
    language = forms.ChoiceField(
        choices=LANGUAGES, label=_("Language of the messages"), widget=forms.RadioSelect
    )

    def __init__(self, *args: Any, subscription: Subscription, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        topics = self.fields["topics"]
        assert isinstance(topics, TopicChoice)
        topics.queryset = subscription.newsletter.topics.all()
        topics.help_text = _("Without a choice you get all topics.")
        self.initial = {
            "topics": list(subscription.topics.all()),
            "language": subscription.language,
        }


class DataRequestForm(forms.Form):
    """A request by somebody who cannot, or will not, use the chat."""

    kind = forms.ChoiceField(
        label=_("What may we do for you?"),
        widget=forms.RadioSelect,
        choices=[
            ("access", _("Send me what you hold about me")),
            ("erasure", _("Erase what you hold about me")),
            ("rectification", _("Correct what you hold about me")),
            ("portability", _("Give me what I gave you, for another program")),
            ("restriction", _("Store it, but do nothing else with it for now")),
            ("objection", _("Never send me anything again, on any channel")),
        ],
    )
    address = forms.CharField(label=_("Your e-mail address"), max_length=MAX_ADDRESS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["address"].widget.attrs |= {"autocomplete": "email", "inputmode": "email"}


class SegmentForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=80)


class HttpsUrlField(forms.URLField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(assume_scheme="https", **kwargs)


class NewsletterForm(forms.ModelForm):  # type: ignore[type-arg]  # Django knows no parameter
    """What a newsletter is. The short name stands in addresses and cannot change afterwards."""

    class Meta:
        model = Newsletter
        fields = (
            *("name", "slug", "publisher", "imprint_url"),
            *("what_de", "frequency_de", "what_en", "frequency_en"),
            *(
                "channels",
                "time_zone",
                "quiet_from",
                "quiet_until",
                "daily_cap",
                "for_children",
                "is_public",
            ),
        )
        labels = {
            "channels": _("Messengers on which it can be had"),
            "time_zone": _("Time zone"),
            "quiet_from": _("Nothing is sent from"),
            "quiet_until": _("until"),
            "daily_cap": _("At most per person and day"),
            "for_children": _("It is directed at children"),
            "is_public": _("The sign-up page is open"),
        }
        help_texts = {
            "publisher": _("Named in every text that somebody says yes to."),
            "quiet_from": _("Quiet hours, in the newsletter's time zone."),
            "for_children": _(
                "Then everybody is asked for their age before they are asked for their consent."
            ),
        }
        field_classes = {"imprint_url": HttpsUrlField}
        widgets = {
            "channels": forms.CheckboxSelectMultiple,
            "quiet_from": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "quiet_until": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        channels = self.fields["channels"]
        assert isinstance(channels, forms.ModelMultipleChoiceField)
        channels.label_from_instance = lambda obj: str(obj.name)  # type: ignore[method-assign]
        if not self.instance._state.adding:
            self.fields["slug"].disabled = True

    def clean_time_zone(self) -> str:
        name: str = self.cleaned_data["time_zone"]
        if name not in available_timezones():
            raise forms.ValidationError(_("Unknown time zone. Example: Europe/Berlin"))
        return name

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if bool(data.get("quiet_from")) != bool(data.get("quiet_until")):
            self.add_error("quiet_until", _("Quiet hours need a beginning and an end."))
        return data


class TopicForm(forms.ModelForm):  # type: ignore[type-arg]  # Django knows no parameter
    class Meta:
        model = Topic
        fields = ("name_de", "name_en", "position")
        labels = {"name_de": _("German"), "name_en": _("English"), "position": _("Place")}


class NewTopicForm(forms.Form):
    """A new topic; its short name, as in "STOP SPORT", is made from the German one."""

    name_de = forms.CharField(label=_("German"), max_length=60)
    name_en = forms.CharField(label=_("English"), max_length=60)

    def __init__(self, *args: Any, newsletter: Newsletter, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._taken = set(newsletter.topics.values_list("slug", flat=True))

    def clean_name_de(self) -> str:
        name: str = self.cleaned_data["name_de"]
        if not short_name(name) or short_name(name) in self._taken:
            raise forms.ValidationError(_("Choose a name of letters that no other topic has."))
        return name

    @property
    def names(self) -> dict[str, str]:
        german: str = self.cleaned_data["name_de"]
        english: str = self.cleaned_data["name_en"]
        return {"slug": short_name(german), "name_de": german, "name_en": english}


UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def short_name(name: str) -> str:
    """ "Über uns" as "ueber-uns": what people can type on any keyboard."""
    return slugify(name.lower().translate(UMLAUTS))[:50]


class KeywordForm(forms.ModelForm):  # type: ignore[type-arg]  # Django knows no parameter
    class Meta:
        model = Keyword
        fields = ("word", "language", "intent", "only_alone")
        labels = {
            "word": _("Word"),
            "language": _("Language"),
            "intent": _("Means"),
            "only_alone": _("Counts only as the whole message"),
        }


class TextForm(forms.Form):
    """A new version of a text that people are shown."""

    text = forms.CharField(
        label=_("Text"), max_length=20_000, widget=forms.Textarea(attrs={"rows": 14})
    )


class SourceFormForm(forms.ModelForm):  # type: ignore[type-arg]  # Django knows no parameter
    """A place where people are asked; what it says never changes afterwards."""

    class Meta:
        model = SourceForm
        fields = ("name", "code", "coupled_offer", "offer_de", "offer_en")
        help_texts = {
            "code": _("Small letters, digits and hyphens; it stands in the link."),
            "coupled_offer": _(
                "A raffle, a gift, an article: then the data-protection officer decides first "
                "(Art. 7(4) GDPR)."
            ),
        }
        widgets = {
            "offer_de": forms.Textarea(attrs={"rows": 3}),
            "offer_en": forms.Textarea(attrs={"rows": 3}),
        }

    def __init__(self, *args: Any, newsletter: Newsletter, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._newsletter = newsletter

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        if SourceForm.objects.filter(newsletter=self._newsletter, code=code).exists():
            raise forms.ValidationError(_("Another form has this short name."))
        return code

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name in ("offer_de", "offer_en"):
            if data.get("coupled_offer") and not data.get(name, "").strip():
                self.add_error(name, _("Say what is given, and how to get it without subscribing."))
        return data


class DecisionForm(forms.Form):
    """The officer's decision on a coupled offer."""

    reasons = forms.CharField(
        label=_("Reasons"), max_length=4_000, widget=forms.Textarea(attrs={"rows": 4})
    )
