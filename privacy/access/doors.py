"""The only two doors: may this actor do that here, and which rows may it see."""

from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from privacy.access.actors import Actor
from privacy.access.errors import NotAllowed
from privacy.access.roles import ACTIONS

M = TypeVar("M", bound=Model)


def can(actor: Actor, action: str, scope: UUID | None = None) -> bool:
    """Whether `actor` may do `action` in the newsletter `scope`, or without one: anywhere at all.

    An action that concerns the whole house is never given by a grant for one newsletter.
    """
    if action not in ACTIONS:
        raise ValueError(f"{action} is no action; they stand in privacy/access/roles.py.")
    where = actor.rights.where(action)
    return bool(where) if scope is None else where.covers(scope)


def require(actor: Actor, action: str, scope: UUID | None = None) -> None:
    """Raise `NotAllowed` unless `can`."""
    if not can(actor, action, scope):
        raise NotAllowed(f"{actor} may not do {action} here.")


def visible_to(actor: Actor, queryset: QuerySet[M], action: str | None = None) -> QuerySet[M]:
    """The rows of newsletters in which `actor` has a right (or the right to `action`).

    The model tells the way to its newsletter: `newsletter_path = "newsletter_id"`.
    """
    path: str = queryset.model.newsletter_path  # type: ignore[attr-defined]
    rights = actor.rights
    scope = rights.where(action) if action else rights.anywhere()
    if scope.is_everywhere:
        return queryset
    return queryset.filter(**{f"{path}__in": scope.newsletters})
