"""What an administrator may fill in about staff and their tokens."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from privacy.access import ACTIONS, Actor, can
from privacy.models import Grant, User
from subscriptions.models import LANGUAGES, Newsletter

# What each action means, for whoever ticks a box; an action without words here shows its name.
WORDS = {
    "audit.read": _("Read the audit log"),
    "broadcast.read": _("See broadcasts and their results"),
    "broadcast.send": _("Send, schedule and stop broadcasts"),
    "broadcast.test": _("Send tests to oneself"),
    "broadcast.write": _("Write broadcasts"),
    "channel.manage": _("Manage channels"),
    "import.approve": _("Approve imports"),
    "import.upload": _("Upload imports"),
    "inbox.read": _("Read and answer the inbox"),
    "newsletter.manage": _("Change newsletters"),
    "newsletter.read": _("See newsletters and topics"),
    "person.erase": _("Erase persons"),
    "person.export": _("Export persons"),
    "person.read": _("See persons"),
    "request.work": _("Work on requests"),
    "retention.read": _("See retention"),
    "segment.write": _("Change segments"),
    "subscription.read": _("See subscriptions, masked"),
    "token.manage": _("Manage everybody's tokens"),
    "user.manage": _("Manage staff"),
}
LIVES = [(30, _("30 days")), (90, _("90 days")), (365, _("1 year"))]


class StaffForm(forms.Form):
    email = forms.EmailField(label=_("E-mail"))
    name = forms.CharField(label=_("Name"), max_length=120)
    language = forms.ChoiceField(label=_("Language"), choices=LANGUAGES)

    def clean_email(self) -> str:
        email = User.objects.normalize_email(self.cleaned_data["email"]).lower()
        if User.objects.filter(email=email).exists():
            raise forms.ValidationError(_("Somebody with this address is on the list already."))
        return email


class NewsletterScope(forms.ModelChoiceField):  # type: ignore[type-arg]
    """One newsletter, or none: all of them."""

    def __init__(self) -> None:
        super().__init__(
            Newsletter.objects.order_by("name"),
            required=False,
            label=_("For which newsletter"),
            empty_label=_("All newsletters"),
        )


class GrantForm(forms.Form):
    role = forms.ChoiceField(label=_("Role"), choices=Grant.Role.choices)
    newsletter = NewsletterScope()

    @property
    def scope(self) -> UUID | None:
        newsletter: Newsletter | None = self.cleaned_data["newsletter"]
        return newsletter.pk if newsletter else None


class TokenForm(forms.Form):
    """A token can never do more than its owner, so only the owner's actions are offered."""

    name = forms.CharField(
        label=_("What is it for?"), max_length=120, help_text=_("For instance: website form")
    )
    scopes = forms.MultipleChoiceField(
        label=_("What may it do?"), widget=forms.CheckboxSelectMultiple
    )
    newsletters = forms.ModelMultipleChoiceField(
        Newsletter.objects.order_by("name"),
        required=False,
        label=_("Only for these newsletters"),
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.TypedChoiceField(label=_("How long?"), choices=LIVES, coerce=int, initial=90)

    def __init__(self, *args: Any, owner: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes = self.fields["scopes"]
        assert isinstance(scopes, forms.MultipleChoiceField)
        offered = [action for action in sorted(ACTIONS) if can(owner, action)]
        scopes.choices = [(action, WORDS.get(action, action)) for action in offered]

    @property
    def expires_at(self) -> Any:
        return timezone.now() + timedelta(days=self.cleaned_data["days"])
