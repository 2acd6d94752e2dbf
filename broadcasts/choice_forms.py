"""What people decide: when to start, about doubts, and how careful broadcasts are."""

from typing import ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from broadcasts.models import SendingRules
from messengers.models import Channel


class DoubtForm(forms.Form):
    """A person's decision about one delivery in doubt, or about all of one cause."""

    delivery = forms.IntegerField(required=False)
    cause = forms.CharField(max_length=16, required=False)
    decision = forms.ChoiceField(
        choices=[("sent", "sent"), ("not_sent", "not_sent"), ("resend", "resend")]
    )


class RulesForm(forms.ModelForm):  # type: ignore[type-arg]
    """How careful a newsletter's broadcasts are."""

    class Meta:
        model = SendingRules
        fields: ClassVar = [
            "canary_size",
            "canary_minutes",
            "failures_percent",
            "doubts_percent",
            "opt_outs_percent",
            "urgent_passes_cap",
        ]
        help_texts: ClassVar = {
            "canary_size": _(
                "So many go first, shared out over the channels; the others wait for the outcome. "
                "0 means that everybody gets it at once."
            ),
            "urgent_passes_cap": _(
                "What you promise your readers about how often you write should allow for this."
            ),
        }


class PolicyForm(forms.Form):
    """What happens to doubts on a channel, and why."""

    policy = forms.ChoiceField(
        label=_("When nobody can know whether a message arrived"),
        choices=Channel.OnDoubt.choices,
        widget=forms.RadioSelect,
        help_text=_(
            "“Send again by itself” may write to somebody twice. It suits urgent alarms, where "
            "twice is better than never."
        ),
    )
    reason = forms.CharField(
        label=_("Why"),
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Kept with your choice. No names of readers."),
    )


class ScheduleForm(forms.Form):
    """When to start, by the clock on the newsroom's wall."""

    local_time = forms.CharField(
        label=_("Start at"),
        max_length=16,
        widget=forms.TextInput(attrs={"type": "datetime-local"}),
    )
