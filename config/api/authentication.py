"""Who calls: a program with one of our tokens. Cookies count for nothing here."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from privacy.access import authenticate_token
from privacy.models import ApiToken, User


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer jw_…`. An unknown, revoked or expired one is a 401."""

    keyword = b"bearer"

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        words = get_authorization_header(request).split()
        if not words:
            return None
        if len(words) != 2 or words[0].lower() != self.keyword:
            raise AuthenticationFailed("Send the token as: Authorization: Bearer <token>")
        token = authenticate_token(words[1].decode("ascii", "replace"))
        if token is None:
            raise AuthenticationFailed("This token is unknown, revoked or expired: make a new one.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Jawort"'


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Tells the OpenAPI document how a program signs in."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}
