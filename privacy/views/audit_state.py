"""How it stands with the logs, for the panel beside them: places, signatures, eyes outside."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from privacy.audit.anchors import anchors_active, watch_name
from privacy.audit.apart import lacks_distance
from privacy.audit.checkpoints import latest
from privacy.audit.keys import witnesses
from privacy.audit.nodes import size_of
from privacy.audit.sequencer import lag
from privacy.audit.stamps import authority
from privacy.audit.stamps import watch_name as stamp_name
from privacy.models import Anchor, Log, Watch

# Entries wait for seconds; more than this means that something is stuck.
LATE = timedelta(minutes=5)


def log_state() -> dict[str, Any]:
    """What the panel shows."""
    now = timezone.now()
    watches = {watch.name: watch for watch in Watch.objects.all()}
    return {
        "logs": [_log(log, now) for log in Log],
        "anchors_active": anchors_active(now),
        "watchers": _watchers(watches),
        "troubles": [_trouble(watch) for watch in watches.values() if _counts(watch)],
        "distance": _distance_words(lacks_distance()),
        "report": Anchor.objects.filter(kind=Anchor.Kind.REPORT).order_by("-id").first(),
    }


def _log(log: Log, now: datetime) -> dict[str, Any]:
    waiting, since = lag(log)
    return {
        "label": log.label,
        "size": size_of(log),
        "waiting": waiting,
        "is_late": bool(since and now - since > LATE),
        "since": since,
        "checkpoint": latest(log),
    }


def _watchers(watches: dict[str, Watch]) -> list[dict[str, Any]]:
    """Signer, witnesses and the time-stamping authority, with what they saw last of each log."""
    names = [(_("Signer"), {log: f"signer/{log.name.lower()}" for log in Log})]
    names += [
        (witness.name, {log: watch_name(witness, log) for log in Log}) for witness in witnesses()
    ]
    if settings.JAWORT_TSA:
        label = _("Time-stamps: %(authority)s") % {"authority": authority()}
        names.append((label, {log: stamp_name(log) for log in Log}))
    return [
        {
            "label": label,
            "seen": [{"log": log.label, "watch": watches.get(by_log[log])} for log in Log],
        }
        for label, by_log in names
    ]


def _counts(watch: Watch) -> bool:
    """Whether there is a trouble, and not that of an authority which is not asked any more."""
    is_past = watch.name.startswith("stamp/") and watch.name not in map(stamp_name, Log)
    return bool(watch.trouble) and not is_past


def _distance_words(reason: str) -> str:
    known = {
        "root": _("These pages run as root and could read the signer's key."),
        "same_user": _("The signer runs as the same user as these pages: they could read its key."),
        "readable": _("These pages can read the signer's key."),
    }
    return known.get(reason, "")


def _trouble(watch: Watch) -> dict[str, Any]:
    return {"who": watch.name, "what": trouble_words(watch.trouble), "at": watch.tried_at}


def trouble_words(trouble: str) -> str:
    """A sentence for the word that was kept."""
    known = {
        "unreachable": _("It does not answer."),
        "log_is_shorter": _(
            "It has signed a larger log than this one: entries are gone, or an old copy runs."
        ),
        "other_root": _("It has signed another log of the same size: history was rewritten."),
        "inconsistent": _("This log does not continue the one that it signed before."),
        "log_unknown": _("It does not know this log."),
        "key_unknown": _("It does not believe the key of this log."),
        "key_changed": _("The signer has a new key that the old one has not signed."),
        "bad_signature": _("Its signature does not hold."),
        "refused": _("It refused."),
        "other_text": _("Its answer is for another text."),
        "no_roots": _("JAWORT_TSA_ROOTS names no file with certificates to believe."),
        "needs_rebase": _(
            "The database came out of a dump: an administrator has to run audit_rebase."
        ),
    }
    return known.get(trouble, _("It did not sign."))
