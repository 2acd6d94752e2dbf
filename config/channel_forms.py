"""What an administrator fills in about an account at a messenger."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.core.validators import EmailValidator, RegexValidator
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from messengers.contract import Adapter, SettingField
from messengers.models import Channel
from messengers.registry import ADAPTERS

FASTEST = 500
# Settings that say whom an account talks to.
PLACES = ("base_url", "host", "port")
# What would else be found out by the first message, and pause its broadcast.
VALIDATORS: dict[str, list[Callable[[Any], None]]] = {
    "text": [],
    "mail": [EmailValidator(_("One address and nothing else, such as news@example.org."))],
    "url": [
        RegexValidator(
            r"\Ahttps?://[!-~]+\Z",
            _("An address of the web without spaces and umlauts (write such a domain as xn--…)."),
        )
    ],
    "token": [
        RegexValidator(
            r"\A[!-~]+\Z",
            _("A token has letters, digits and signs of ASCII only: copy it once more."),
        )
    ],
}


class ChannelForm(forms.Form):
    """Our own fields and those that the messenger's adapter asks for.

    A secret is never shown again: left empty on an existing account, it stays as it is.
    """

    name = forms.CharField(label=_("Name of the account"), max_length=120)
    rate_per_second = forms.FloatField(
        label=_("Messages per second, at most"), min_value=0.1, max_value=FASTEST, initial=20
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        adapter: type[Adapter],
        channel: Channel | None = None,
    ) -> None:
        self.adapter, self.channel = adapter, channel
        super().__init__(data, initial=self._known(channel))
        for setting in adapter.settings:
            self.fields[f"setting_{setting.name}"] = self._field(setting)

    @staticmethod
    def _known(channel: Channel | None) -> dict[str, Any]:
        if channel is None:
            return {}
        own = ("name", "rate_per_second")
        known = {name: getattr(channel, name) for name in own}
        return known | {f"setting_{key}": value for key, value in channel.settings.items()}

    def _field(self, setting: SettingField) -> forms.Field:
        kept = setting.secret and self.channel is not None
        return forms.CharField(
            label=gettext(setting.label),
            required=setting.required and not kept,
            initial=setting.default,
            max_length=2000,
            validators=VALIDATORS[setting.kind],
            widget=forms.PasswordInput(attrs={"autocomplete": "off"}) if setting.secret else None,
            help_text=_("Left empty, the present one stays.") if kept else "",
        )

    def clean(self) -> dict[str, Any]:
        """Where the account leads is not changed under its secrets: they would go there too."""
        data = self.cleaned_data
        if self.channel is None or not self._leads_elsewhere(self.channel):
            return data
        for setting in self.adapter.settings:
            name = f"setting_{setting.name}"
            if setting.secret and setting.required and not data.get(name):
                self.add_error(name, _("The address changes, so give the secret again."))
        return data

    def _leads_elsewhere(self, channel: Channel) -> bool:
        asked = {name: self.cleaned_data.get(f"setting_{name}", "") for name in PLACES}
        return any(asked[name] != channel.settings.get(name, "") for name in PLACES)

    @property
    def account_settings(self) -> dict[str, Any]:
        """What the form says, and what an operator has set beside it."""
        listed = {setting.name for setting in self.adapter.settings}
        kept = self.channel.settings if self.channel else {}
        return {name: value for name, value in kept.items() if name not in listed} | {
            s.name: self.cleaned_data[f"setting_{s.name}"]
            for s in self.adapter.settings
            if not s.secret and self.cleaned_data[f"setting_{s.name}"]
        }

    @property
    def secrets(self) -> dict[str, str]:
        return {
            s.name: self.cleaned_data[f"setting_{s.name}"]
            for s in self.adapter.settings
            if s.secret and self.cleaned_data[f"setting_{s.name}"]
        }

    @property
    def facts(self) -> dict[str, Any]:
        return {"rate_per_second": self.cleaned_data["rate_per_second"]}


def adapter_of_kind(kind: str) -> type[Adapter] | None:
    return ADAPTERS.get(kind)
