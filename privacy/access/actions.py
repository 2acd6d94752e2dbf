"""Giving and taking rights. Each ends the sessions that were begun under the old ones."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth import update_session_auth_hash
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from privacy.access.actors import Actor
from privacy.access.doors import require
from privacy.access.errors import TokenRefused
from privacy.access.roles import ACTIONS
from privacy.access.tokens import LONGEST_LIFE, PREFIX, SECRET_BYTES, SHOWN_CHARACTERS, digest
from privacy.audit import record
from privacy.models import ApiToken, Grant, User


@transaction.atomic
def create_staff(
    *, email: str, password: str, actor: Actor, name: str = "", language: str = "de"
) -> User:
    """A new member of staff, without any right yet."""
    require(actor, "user.manage")
    user = User.objects.create_user(email, password, name=name, language=language)
    record("user.created", actor=actor, obj="user", ref=user.pk)
    return user


@transaction.atomic
def grant_role(*, user: User, role: Grant.Role, newsletter: UUID | None, actor: Actor) -> Grant:
    """Give a role, for one newsletter or (None) for all. Giving it twice changes nothing."""
    require(actor, "user.manage")
    giver = (
        User.objects.filter(pk=actor.ref).first() if actor.kind == "staff" and actor.ref else None
    )
    grant, is_new = Grant.objects.get_or_create(
        user=user, role=role, newsletter=newsletter, defaults={"granted_by": giver}
    )
    if is_new:
        end_sessions(user)
        record("role.granted", actor=actor, obj="user", ref=user.pk, facts=_facts(grant))
    return grant


@transaction.atomic
def revoke_role(*, grant: Grant, actor: Actor) -> None:
    """Take a role away; it counts from the next request on."""
    require(actor, "user.manage")
    record("role.revoked", actor=actor, obj="user", ref=grant.user_id, facts=_facts(grant))
    grant.delete()
    end_sessions(grant.user)


@transaction.atomic
def set_active(*, user: User, is_active: bool, actor: Actor) -> None:
    """Let somebody in or keep them out: sessions and tokens end with the next request."""
    require(actor, "user.manage")
    User.objects.filter(pk=user.pk).update(is_active=is_active)
    user.refresh_from_db()
    end_sessions(user)
    action = "user.activated" if is_active else "user.deactivated"
    record(action, actor=actor, obj="user", ref=user.pk)


def end_sessions(user: User, keep: HttpRequest | None = None) -> None:
    """End all sessions of `user`, except that of the request `keep`, at their next request."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    user.refresh_from_db(fields=["session_epoch"])
    if keep is not None and keep.user.pk == user.pk:
        update_session_auth_hash(keep, user)


@transaction.atomic
def create_token(
    *,
    user: User,
    name: str,
    scopes: Iterable[str],
    actor: Actor,
    newsletters: Iterable[UUID] = (),
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """A token and its text, which exists only here and is to be shown once.

    Without `newsletters` it reaches as far as its owner; without `expires_at` it lives for 90 days.
    Raises `TokenRefused` for an unknown action or a life of more than a year.
    """
    if actor != Actor.staff(user):
        require(actor, "token.manage")
    actions = sorted(set(scopes))
    ends = expires_at or timezone.now() + timedelta(days=90)
    if not actions or not ACTIONS.issuperset(actions):
        raise TokenRefused("a token needs known actions; they stand in privacy/access/roles.py.")
    if ends > timezone.now() + LONGEST_LIFE:
        raise TokenRefused("a token lives for one year at most.")
    text = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    token = ApiToken.objects.create(
        user=user,
        name=name,
        prefix=text[:SHOWN_CHARACTERS],
        digest=digest(text),
        scopes=actions,
        newsletters=[str(newsletter) for newsletter in newsletters],
        expires_at=ends,
    )
    record("token.created", actor=actor, obj="token", ref=token.pk, facts={"scopes": len(actions)})
    return token, text


@transaction.atomic
def revoke_token(*, token: ApiToken, actor: Actor) -> None:
    """End a token at once. May run twice."""
    if actor != Actor.staff(token.user):
        require(actor, "token.manage")
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        record("token.revoked", actor=actor, obj="token", ref=token.pk)


def _facts(grant: Grant) -> dict[str, int | str | bool]:
    return {"role": str(grant.role), "scope": str(grant.newsletter or "all")}
