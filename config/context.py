"""What the frame of every page needs: where this person may go, and whether this is the demo."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import Resolver404, resolve
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from privacy.access import actor_of, can

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True)
class Section:
    """One entry of the navigation; `actions`: any of them opens the door."""

    label: "StrOrPromise"
    path: str
    actions: tuple[str, ...]


SECTIONS = (
    Section(_("Broadcasts"), "/desk/", ("broadcast.read",)),
    Section(_("Inbox"), "/desk/inbox/", ("inbox.read",)),
    Section(_("Subscribers"), "/desk/subscribers/", ("subscription.read",)),
    Section(_("Segments"), "/desk/segments/", ("segment.write",)),
    Section(_("Imports"), "/desk/imports/", ("import.upload", "import.approve")),
    Section(_("Newsletters"), "/desk/newsletters/", ("newsletter.read",)),
    Section(_("Privacy"), "/privacy/", ("request.work", "audit.read", "user.manage")),
    Section(_("Channels"), "/channels/", ("channel.manage",)),
    Section(_("Staff"), "/staff/", ("user.manage", "token.manage")),
)


def frame(request: HttpRequest) -> dict[str, Any]:
    return {
        "is_demo": settings.JAWORT_DEMO,
        "nav": SimpleLazyObject(lambda: navigation(request)),
    }


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sections this person may enter, the current one marked."""
    open_to = sections_for(request)
    current = max(
        (section.path for section in open_to if request.path.startswith(section.path)),
        key=len,
        default="",
    )
    return [
        {"label": section.label, "path": section.path, "is_current": section.path == current}
        for section in open_to
    ]


def sections_for(request: HttpRequest) -> list[Section]:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return []
    actor = actor_of(request)
    return [
        section
        for section in SECTIONS
        if _exists(section.path) and any(can(actor, action) for action in section.actions)
    ]


def _exists(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True
