"""What may go wrong at the doors."""

from django.core.exceptions import PermissionDenied


class NotAllowed(PermissionDenied):
    """This actor has no right to do that. Pages answer 403."""


class TokenRefused(ValueError):
    """A token cannot be made like that."""
