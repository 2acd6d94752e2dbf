"""Sessions that a stolen copy of the database cannot use: content sealed, keys only as hashes.

Django keeps the cookie's value as the row's key and the content readable: who reads the table is
signed in as everybody. Here the row's key is a keyed hash of the cookie.
"""

import base64
import json
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession
from django.contrib.sessions.models import Session
from django.utils import timezone

from privacy.vault import KeyDestroyed, SealBroken, Where, keyed_hash, open_system, seal_system

PLACE = Where("django_session", "session_data", "content")


class SessionStore(db.SessionStore):
    def encode(self, session_dict: dict[str, Any]) -> str:
        return base64.b64encode(seal_system(PLACE, json.dumps(session_dict).encode())).decode()

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """Empty for what we did not seal: such a session is simply over."""
        try:
            content: dict[str, Any] = json.loads(open_system(PLACE, base64.b64decode(session_data)))
        except (ValueError, SealBroken, KeyDestroyed):
            return {}
        return content

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        row = super().create_model_instance(data)
        row.session_key = row_key(row.session_key)
        return row

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(session_key=row_key(session_key)).exists()

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key:
            Session.objects.filter(session_key=row_key(key)).delete()

    def _get_session_from_db(self) -> Session | None:
        row = None
        if self.session_key:
            alive = Session.objects.filter(expire_date__gt=timezone.now())
            row = alive.filter(session_key=row_key(self.session_key)).first()
        if row is None:
            self._session_key = None
        return row


def row_key(cookie: str) -> str:
    return keyed_hash("session", cookie).hex()
