"""Rights as one value: each action, and the newsletters it may be done in."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from django.utils import timezone

from privacy.access.roles import ACTIONS, ACTIONS_OF, HOUSE_ACTIONS
from privacy.models import ApiToken, Grant


@dataclass(frozen=True)
class Scope:
    """Some newsletters, or all of them and the house itself."""

    newsletters: frozenset[UUID] = frozenset()
    is_everywhere: bool = False

    def __or__(self, other: "Scope") -> "Scope":
        return Scope(
            self.newsletters | other.newsletters, self.is_everywhere or other.is_everywhere
        )

    def __and__(self, other: "Scope") -> "Scope":
        if self.is_everywhere:
            return other
        if other.is_everywhere:
            return self
        return Scope(self.newsletters & other.newsletters)

    def __bool__(self) -> bool:
        return self.is_everywhere or bool(self.newsletters)

    def covers(self, newsletter: UUID) -> bool:
        return self.is_everywhere or newsletter in self.newsletters


EVERYWHERE = Scope(is_everywhere=True)
NOWHERE = Scope()


@dataclass(frozen=True)
class Rights:
    scopes: dict[str, Scope]

    @classmethod
    def everything(cls) -> Self:
        return cls(dict.fromkeys(ACTIONS, EVERYWHERE))

    @classmethod
    def from_grants(cls, grants: Iterable[tuple[str, UUID | None]]) -> Self:
        """The union of what each (role, newsletter) gives."""
        scopes: dict[str, Scope] = {}
        for role, newsletter in grants:
            scope = Scope(frozenset({newsletter})) if newsletter else EVERYWHERE
            for action in ACTIONS_OF[role]:
                if newsletter is None or action not in HOUSE_ACTIONS:
                    scopes[action] = scopes.get(action, NOWHERE) | scope
        return cls(scopes)

    def narrowed(self, actions: Iterable[str], scope: Scope) -> "Rights":
        """Only these actions, only there. A house action needs a scope without limits."""
        kept = {action: self.where(action) & scope for action in actions}
        return Rights(
            {
                action: at
                for action, at in kept.items()
                if at and (action not in HOUSE_ACTIONS or at.is_everywhere)
            }
        )

    def where(self, action: str) -> Scope:
        return self.scopes.get(action, NOWHERE)

    def anywhere(self) -> Scope:
        """All newsletters in which there is any right at all."""
        union = NOWHERE
        for scope in self.scopes.values():
            union |= scope
        return union


def rights_of_user(user: UUID) -> Rights:
    """By the grants of now, so that a change counts from the next request on."""
    grants = Grant.objects.filter(user_id=user, user__is_active=True)
    return Rights.from_grants(grants.values_list("role", "newsletter"))


def rights_of_token(token: UUID) -> Rights:
    """What its owner may do, narrowed to what the token was made for; nothing once it has ended."""
    row = ApiToken.objects.filter(
        pk=token, revoked_at=None, expires_at__gt=timezone.now(), user__is_active=True
    ).first()
    if row is None:
        return Rights({})
    limits = Scope(frozenset(map(UUID, row.newsletters))) if row.newsletters else EVERYWHERE
    return rights_of_user(row.user_id).narrowed(row.scopes, limits)
