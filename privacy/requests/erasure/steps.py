"""What each step of an erasure does. `True` means done, `False` not yet: come back later."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from privacy import suppression
from privacy.models import DataSubject, Request, RequestStep
from privacy.requests.delivery import link_to, tell
from privacy.requests.erasure import needles, scan, traces
from privacy.requests.erasure.holds import holding_back, must_keep_evidence
from privacy.requests.export.package import destroy_all_of
from privacy.requests.intake import block as stop
from privacy.requests.recipients import open_notices
from privacy.requests.verbs import (
    contacts_of,
    erase_everywhere,
    identifiers_of,
    recipients_of,
    under_way,
)
from privacy.vault import new_token, shred, token_hash, tombstone

# How long the last message may take to arrive before the rows go all the same.
LAST_WORD = timedelta(minutes=2)
SUPPRESSION_REASON = "erased"


def block(request: Request, step: RequestStep) -> bool:
    """Nothing more leaves to the person; most were stopped when the request came in."""
    stop(request)
    return True


def verify(request: Request, step: RequestStep) -> bool:
    """The request is proven, its time to think again is over, and no legal hold forbids it."""
    assert request.subject
    starts_at = datetime.fromisoformat(step.facts["from"])
    if not request.is_verified or timezone.now() < starts_at:
        return False
    holds = holding_back(request.subject)
    if holds != step.facts.get("holds", []):
        step.facts["holds"] = holds
        step.save(update_fields=["facts"])
    return not holds


def collect(request: Request, step: RequestStep) -> None:
    """Keep, sealed apart, what the scan will look for: after the deletion nobody could know it."""
    scan_step = request.steps.get(name="scan")
    if not scan_step.sealed:
        assert request.subject
        addresses = [point.address_id for point in contacts_of(request.subject)]
        needles.keep(scan_step, identifiers_of(request.subject), [request.subject, *addresses])


def recipients(request: Request, step: RequestStep) -> bool:
    """Cancel exports and links; write down whom else to tell (Art. 19); send the last message, and
    wait until it has left or its time is up.

    The certificate comes later, by a link in that message: afterwards there is no address any more.
    """
    assert request.subject
    if "sent" not in step.facts:
        token = new_token()
        tell(request, "erased", link=link_to("erased", token))
        step.facts = {
            "sent": timezone.now().isoformat(),
            "token_hash": token_hash("certificate", token).hex(),
            "packages": destroy_all_of(request.subject),
            "recipients": recipients_of(request.subject),
        }
        step.save(update_fields=["facts"])
        open_notices(request)
        return False
    is_late = timezone.now() >= datetime.fromisoformat(step.facts["sent"]) + LAST_WORD
    return is_late or under_way(request.subject) == 0


def fingerprints(request: Request, step: RequestStep) -> None:
    """The slow hashes, before the transaction that stores them.

    Two runs may be here at once, and the other may have deleted meanwhile: its facts stand.
    """
    if not step.facts["suppress"] or "fingerprints" in step.facts:
        return
    kept = needles.kept(request.steps.get(name="scan")).identifiers
    prints = [[kind, suppression.fingerprint(kind, canonical).hex()] for kind, canonical in kept]
    with transaction.atomic():
        held = Request.objects.select_for_update().get(pk=request.pk).steps.get(pk=step.pk)
        if held.done_at is None:
            held.facts["fingerprints"] = prints
            held.save(update_fields=["facts"])


def delete(request: Request, step: RequestStep) -> bool:
    """Rows and files of every app; the person's row stays as an empty tombstone."""
    assert request.subject
    counts = erase_everywhere(request.subject)
    # They may have been written again since step 3, by somebody who had begun before the block.
    counts["privacy.ExportPackage"] = destroy_all_of(request.subject)
    sought = needles.kept(request.steps.get(name="scan"))
    counts["privacy.Request"] = traces.blacken_notes(request.subject, sought)
    prints = step.facts.pop("fingerprints", [])
    for kind, fingerprint in prints:
        suppression.suppress(bytes.fromhex(fingerprint), kind, reason=SUPPRESSION_REASON)
    people = DataSubject.objects.filter(pk=request.subject)
    people.update(status=DataSubject.Status.ERASED, erased_at=timezone.now())
    step.facts |= {"rows": {name: count for name, count in sorted(counts.items()) if count}}
    step.facts["suppressed"] = len(prints)
    step.save(update_fields=["facts"])
    shredding = request.steps.get(name="shred")
    shredding.facts["suppressed"] = prints  # for the tombstone
    shredding.save(update_fields=["facts"])
    return True


def shred_keys(request: Request, step: RequestStep) -> bool:
    """Destroy the key, and with it every copy in backups and logs of the database. May run twice.

    Before it goes, the keystore remembers who it was: an older copy of the data does not know.
    """
    assert request.subject
    keeps = bool(step.facts["keep_evidence"]) or must_keep_evidence(request.subject)
    prints = [(kind, bytes.fromhex(one)) for kind, one in step.facts.pop("suppressed", [])]
    step.facts["keep_evidence"] = keeps
    step.save(update_fields=["facts"])
    tombstone(request.subject, timezone.now(), evidence=not keeps, suppressed=prints)
    shred(request.subject, "ops")
    if not keeps:
        shred(request.subject, "evidence")
    return True


def verify_gone(request: Request, step: RequestStep) -> bool:
    """Once everything was read: done only if nothing was found, else it has to be read again.

    What forgets by itself (queue, cache, results of tasks) is emptied of it at once.
    """
    found, facts = scan.of_step(step)
    step.facts |= facts | {"residues": found, "scanned_at": timezone.now().isoformat()}
    if found:
        step.facts["cleared"] = step.facts.get("cleared", 0) + traces.clear(needles.kept(step))
        del step.facts["sweep"]
        step.save(update_fields=["facts"])
        return False
    step.save(update_fields=["facts"])
    needles.forget(step)
    return True
