"""Keys for programs: shown once, kept as a hash, never mightier than their owner."""

from datetime import timedelta
from hashlib import sha256

from django.db.models import Q
from django.utils import timezone

from privacy.models import ApiToken

PREFIX = "jw_"
SECRET_BYTES = 32
SHOWN_CHARACTERS = 12
LONGEST_LIFE = timedelta(days=365)
# How exactly we remember when a token was last used: one write per minute, not one per call.
LAST_USED_STEP = timedelta(minutes=1)


def digest(text: str) -> bytes:
    """What the database keeps. The token has 256 random bits, so a plain hash tells nothing."""
    return sha256(text.encode()).digest()


def authenticate_token(text: str) -> ApiToken | None:
    """The token of this text, if it is alive and its owner may still enter; else None."""
    if not text.startswith(PREFIX):
        return None
    now = timezone.now()
    alive = ApiToken.objects.filter(revoked_at=None, expires_at__gt=now, user__is_active=True)
    token = alive.select_related("user").filter(digest=digest(text)).first()
    if token is not None:
        unused = Q(last_used_at=None) | Q(last_used_at__lt=now - LAST_USED_STEP)
        ApiToken.objects.filter(unused, pk=token.pk).update(last_used_at=now)
    return token
