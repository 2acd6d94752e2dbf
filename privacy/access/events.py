"""What sign-in tells us: it ends other sessions where it must, and stands in the audit log."""

from typing import Any

import structlog
from allauth.account.internal.flows.login import record_authentication
from allauth.account.signals import (
    authentication_step_completed,
    password_changed,
    password_reset,
    password_set,
)
from allauth.mfa import signals as mfa
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.dispatch import Signal
from django.http import HttpRequest

from privacy.access.actions import end_sessions
from privacy.access.actors import Actor
from privacy.access.ages import begin
from privacy.access.second_factor import METHOD, TYPES
from privacy.audit import record
from privacy.models import User

log = structlog.get_logger("jawort.access")


def signed_in(request: HttpRequest, user: User, **more: Any) -> None:
    begin(request)
    _tell("user.signed_in", user)


def signed_out(request: HttpRequest, user: User | None, **more: Any) -> None:
    if user is not None:
        _tell("user.signed_out", user)


def refused(**more: Any) -> None:
    """A wrong password. Not whose: somebody may have typed a reader's address, or the password."""
    log.warning("sign-in refused")


def proved_again(request: HttpRequest, **more: Any) -> None:
    """Whoever shows again who they are gets a new session id, as at a sign-in."""
    if more.get("reauthenticated"):
        request.session.cycle_key()


def factor_added(request: HttpRequest, user: User, authenticator: Any, **more: Any) -> None:
    """Other sessions end; this one has just shown the new factor and goes on."""
    end_sessions(user, keep=request)
    if authenticator.type in TYPES:
        record_authentication(request, user, METHOD, type=authenticator.type)
    _tell("second_factor.added", user, kind=authenticator.type)


def factor_removed(request: HttpRequest, user: User, authenticator: Any, **more: Any) -> None:
    end_sessions(user, keep=request)
    _tell("second_factor.removed", user, kind=authenticator.type)


def factor_reset(request: HttpRequest, user: User, authenticator: Any, **more: Any) -> None:
    end_sessions(user, keep=request)
    _tell("second_factor.reset", user, kind=authenticator.type)


def password_new(request: HttpRequest, user: User, **more: Any) -> None:
    """Other sessions have ended by themselves: the password is part of their hash."""
    _tell("password.changed", user)


RECEIVERS: tuple[tuple[Signal, Any], ...] = (
    (user_logged_in, signed_in),
    (user_logged_out, signed_out),
    (user_login_failed, refused),
    (authentication_step_completed, proved_again),
    (mfa.authenticator_added, factor_added),
    (mfa.authenticator_removed, factor_removed),
    (mfa.authenticator_reset, factor_reset),
    (password_changed, password_new),
    (password_set, password_new),
    (password_reset, password_new),
)


def listen() -> None:
    for signal, receiver in RECEIVERS:
        signal.connect(receiver, dispatch_uid=f"jawort.{receiver.__name__}")


@transaction.atomic
def _tell(action: str, user: User, **facts: str) -> None:
    record(action, actor=Actor.staff(user), obj="user", ref=user.pk, facts={**facts})
