"""Who may do what, and who may see what. `can` and `visible_to` are the only doors.

Giving rights is in `privacy.access.actions`, which writes to the audit log and so stands above it.
"""

from privacy.access.actors import Actor
from privacy.access.doors import can, require, visible_to
from privacy.access.errors import NotAllowed, TokenRefused
from privacy.access.pages import actor_of, require_staff, staff_page, step_up
from privacy.access.roles import ACTIONS
from privacy.access.tokens import authenticate_token

__all__ = [
    "ACTIONS",
    "Actor",
    "NotAllowed",
    "TokenRefused",
    "actor_of",
    "authenticate_token",
    "can",
    "require",
    "require_staff",
    "staff_page",
    "step_up",
    "visible_to",
]
