"""Who acts: a member of staff, a program with a token, a subscriber, or the house itself."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self
from uuid import UUID

from privacy.access.rights import Rights, rights_of_token, rights_of_user
from privacy.models import ApiToken, User


@dataclass(frozen=True)
class Actor:
    """Named by kind and random id. Make one per request: it remembers the rights it looked up."""

    kind: str
    ref: UUID | None = None
    name: str = ""

    @classmethod
    def staff(cls, user: User) -> Self:
        return cls("staff", user.pk)

    @classmethod
    def token(cls, token: ApiToken) -> Self:
        return cls("token", token.pk)

    @classmethod
    def subscriber(cls, subject: UUID) -> Self:
        return cls("subscriber", subject)

    @classmethod
    def system(cls, name: str) -> Self:
        """A part of the house that acts by itself, such as `retention`."""
        return cls("system", None, name)

    def __str__(self) -> str:
        """`staff:<uuid>` or `system:retention`, as it stands in the audit log."""
        return f"{self.kind}:{self.ref or self.name}"

    @cached_property
    def rights(self) -> Rights:
        """What this actor may do and where; a subscriber acts by own words and has no rights."""
        if self.kind == "staff" and self.ref:
            return rights_of_user(self.ref)
        if self.kind == "token" and self.ref:
            return rights_of_token(self.ref)
        return Rights.everything() if self.kind == "system" else Rights({})
