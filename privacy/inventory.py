"""The data inventory: what every field of every table holds, why, and for how long.

Each app writes its own page, `personal_data.py`, with `DATA` and the verbs it offers; here they are
found, as Django's admin finds its pages, so that the ground floor need not know who stores what. A
field that no page classifies is a problem, and a test fails for it.

    DATA = AppData(
        app="subscriptions",
        fields={
            "Subscriber.language": Field(Klass.PROFILE, _("…"), "active_subscription"),
            "Newsletter.name": NOT_PERSONAL,
        },
    )
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps as django_apps
from django.db import models

from privacy.retention.defaults import DATA_CLASSES

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

PAGE = "personal_data"
# What an app may offer beside its fields. Each takes `subject: UUID`, but `find`, which finds it;
# `prove` takes the id of a consent record besides, `rectify` what to change, `kinds` nothing.
VERBS = frozenset(
    {
        "find", "describe", "block", "contact", "export", "erase", "scan", "recipients",
        "identifiers", "under_way", "consent", "prove", "proof_file",
        "restrict", "unrestrict", "rectify", "portable",
        "offers", "people_of", "canonical", "import_rules",
        "kinds",
    }
)  # fmt: skip


class Klass(StrEnum):
    """What a field tells about a person."""

    IDENTIFIER = "identifier"  # reaches or names the person: number, address, a provider's id
    PROFILE = "profile"  # what they are like and want: name, language, topics
    CONTENT = "content"  # what they wrote, or what was written to them alone
    CONSENT = "consent"  # what they agreed to or refused, and the proof of it
    DELIVERY = "delivery"  # what was sent to them, when, and how it went
    REFERENCE = "reference"  # a random number that leads to the person inside this database only
    KEY = "key"  # opens other fields
    STAFF = "staff"  # about those who work here


class Erase(StrEnum):
    """What an erasure does with a field."""

    ROW = "row"  # the row is deleted
    CLEAR = "clear"  # the row stays, the field is emptied
    KEY = "key"  # the key that opens it is destroyed
    KEEP = "keep"  # stays by law or as a bare number that leads nowhere any more


@dataclass(frozen=True)
class Field:
    """One field that is about people. `retention` is a class of privacy/retention/defaults.py."""

    klass: Klass
    purpose: "StrOrPromise"
    retention: str
    export: bool = True
    sealed: bool = False
    erase: str = Erase.ROW


class NotPersonal:
    """Says that somebody looked at the field and that it tells nothing about a person."""


NOT_PERSONAL: Final = NotPersonal()
Classified = Field | NotPersonal


@dataclass(frozen=True)
class AppData:
    """One app's page. Keys: "Model.field", or "app_label.Model.field" for another app's table."""

    app: str
    fields: Mapping[str, Classified]


def apps() -> list[AppData]:
    """The pages of all installed apps, from the roof down."""
    return [page.DATA for page in _pages().values()]


def verb(app: AppData, name: str) -> Callable[..., Any] | None:
    """The function that this app offers for a verb; None if it has nothing to say."""
    if name not in VERBS:
        raise ValueError(f"{name} is no verb of the inventory: {', '.join(sorted(VERBS))}.")
    return getattr(_pages()[app.app], name, None)


def personal_fields(app: AppData) -> Iterator[tuple[str, Field]]:
    """The fields that are about people, with their names as the page writes them."""
    for name, field in app.fields.items():
        if isinstance(field, Field):
            yield name, field


def problems() -> list[str]:
    """What is not in order; nothing is the good answer."""
    present = {_name(field): field for model in _tables() for field in _columns(model)}
    classified: dict[str, Classified] = {}
    found: list[str] = []
    for app in apps():
        for short, field in app.fields.items():
            name = short if short.count(".") == 2 else f"{app.app}.{short}"
            if name in classified:
                found.append(f"{name} is classified twice.")
            classified[name] = field
    found += [f"{name} is not classified." for name in present if name not in classified]
    found += [
        f"{name} is classified, but no such field." for name in classified if name not in present
    ]
    for name in present.keys() & classified.keys():
        found += _contradictions(name, classified[name], present[name])
    return sorted(found)


def _contradictions(name: str, field: Classified, column: "models.Field[Any, Any]") -> list[str]:
    if isinstance(field, NotPersonal):
        return []
    found = []
    if field.retention not in DATA_CLASSES:
        found.append(f"{name} has the retention class {field.retention}, which has no rule.")
    if field.sealed and not isinstance(column, models.BinaryField | models.JSONField):
        found.append(f"{name} is called sealed, but is no field of bytes.")
    if field.erase not in list(Erase):
        found.append(f"{name} is erased by {field.erase}, which nobody can do.")
    return found


def _pages() -> dict[str, ModuleType]:
    """The page of each installed app that has one, by the app's label."""
    found = ((config.label, _page(config.name)) for config in django_apps.get_app_configs())
    return {label: page for label, page in found if page}


@cache
def _page(app: str) -> ModuleType | None:
    """An app's page, if it has one. Looked for once: an erasure asks a hundred times a person."""
    name = f"{app}.{PAGE}"
    return import_module(name) if find_spec(name) else None


def _tables() -> list[type[models.Model]]:
    """Every table that exists, ours and other packages', with those that join two others."""
    every = django_apps.get_models(include_auto_created=True)
    return [model for model in every if model._meta.managed and not model._meta.proxy]


def _columns(model: type[models.Model]) -> "list[models.Field[Any, Any]]":
    return list(model._meta.local_concrete_fields)


def _name(field: "models.Field[Any, Any]") -> str:
    return f"{field.model._meta.app_label}.{field.model.__name__}.{field.name}"
