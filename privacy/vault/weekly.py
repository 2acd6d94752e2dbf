"""The rotation nobody has to think of: a new epoch each week, and what to say when it fails."""

import time
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from privacy.access import Actor
from privacy.vault import epochs, keyfile, store, wrapping
from privacy.vault.errors import NoEpochs

log = structlog.get_logger("jawort.keys")

# A tick leaves room for the others of its minute; the next one goes on.
TICK_SECONDS = 40.0
# So long after its day a rotation counts as overdue.
PATIENCE = timedelta(days=3)
STATE = """SELECT number, created_at, (SELECT count(*) FROM keystore_keyepoch
             WHERE retired_at IS NULL AND number < newest.number)
             FROM keystore_keyepoch AS newest ORDER BY number DESC LIMIT 1"""


def tick(now: datetime) -> None:
    """Go on with a rotation, begin the next when it is due, destroy what has had its term.

    Does nothing before a person has rotated once: until then there is no file that every host has
    and every copy holds. May run twice, at once or again.
    """
    if not keyfile.halves() or not (rows := store.read(STATE, [])):
        return
    number, created_at, left = rows[0]
    try:
        if not left and _is_due(created_at, now) and keyfile.can_write():
            epochs.new_epoch(Actor.system("rotate_keys"))
            left = 1
        if left:
            ends = time.monotonic() + TICK_SECONDS
            epochs.rewrap(stop=lambda: time.monotonic() > ends)
            epochs.retire_left_behind()
        epochs.destroy_due(now)
    except NoEpochs as error:
        log.warning("rotation_impossible", epoch=number, error=type(error).__name__)


def warnings(now: datetime) -> list[str]:
    """What officer and administrator should know about the keys; nothing is the good answer."""
    rows = store.read(STATE, [])
    if not rows:
        return []
    number, created_at, left = rows[0]
    if keyfile.path() is None:
        return [
            _(
                "The key that wraps all keys can not be changed, because the root key stands in the"
                " environment: an old copy of the keystore can be opened for ever."
            )
        ]
    if wrapping.is_derived(number):
        return [_("The keys have never been rotated: run manage.py rotate_keys once.")]
    overdue = now - created_at - timedelta(days=settings.JAWORT_ROTATION_DAYS)
    if overdue > PATIENCE:
        text = ngettext(
            "The rotation of the keys is overdue by %(days)d day.",
            "The rotation of the keys is overdue by %(days)d days.",
            overdue.days,
        )
        return [text % {"days": overdue.days}]
    if left and now - created_at > PATIENCE:
        return [_("A rotation of the keys does not come to its end: run manage.py rotate_keys.")]
    return []


def _is_due(created_at: datetime, now: datetime) -> bool:
    return now - created_at >= timedelta(days=settings.JAWORT_ROTATION_DAYS)
