"""How staff sign in: allauth does the work, the vault keeps its secrets, codes work once."""

import base64
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.totp.internal import auth as totp
from django.conf import settings
from django.db import connection
from django.http import HttpRequest

from privacy.vault import Where, open_system, seal_system

SECRET = Where("mfa_authenticator", "data", "secret")
SPEND = "INSERT INTO privacy_totpstep (user_id, step) VALUES (%s, %s) ON CONFLICT DO NOTHING"


class StaffAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """Nobody signs up: an administrator invites."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class SealingMfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Seeds of one-time codes are sealed, and passkeys belong to our origin alone."""

    def encrypt(self, text: str) -> str:
        return base64.b64encode(seal_system(SECRET, text.encode())).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return open_system(SECRET, base64.b64decode(encrypted_text)).decode()

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {"id": urlsplit(settings.JAWORT_ORIGIN).hostname or "", "name": "Jawort"}


def spend_code(authenticator: totp.TOTP, code: str) -> bool:
    """Whether this right code had not been used before, by any process: a unique row decides.

    allauth remembers used codes in the cache, which forgets and which two processes ask at once.
    """
    secret = totp.decrypt(authenticator.instance.data["secret"])
    for step in totp.yield_hotp_counters_from_time():
        expected = totp.format_hotp_value(totp.hotp_value(secret, step))
        if compare_user_code(actual=code, expected=expected):
            with connection.cursor() as cursor:
                cursor.execute(SPEND, [authenticator.instance.user_id, step])
                return bool(cursor.rowcount)
    return False


def install() -> None:
    """Let codes be spent in the database. allauth has no setting for it; a test watches this."""
    totp.TOTP._mark_code_used = spend_code
