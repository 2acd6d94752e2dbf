"""Whether a session has shown two factors: a password and a code, or a passkey."""

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.http import HttpRequest

METHOD = "mfa"
TYPES = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def has_shown_two_factors(request: HttpRequest) -> bool:
    records = get_authentication_records(request, request.user)
    return any(record.get("method") == METHOD for record in records)


def has_second_factor(request: HttpRequest) -> bool:
    """Whether there is one to ask for. Recovery codes alone are none."""
    return bool(is_mfa_enabled(request.user, types=TYPES))
