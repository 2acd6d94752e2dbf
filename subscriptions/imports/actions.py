"""Check, load, approve, reject. One import is one file for one newsletter on one channel."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from messengers.gates import close_gates
from messengers.models import Address, Channel, Gate
from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import DataSubject
from privacy.requests.verbs import erase_everywhere
from privacy.vault import KeyRing, Where, open_system, seal_system, shred_all
from subscriptions.actions.wordings import staff_of
from subscriptions.consent import Change, State
from subscriptions.errors import ImportDecided, ImportRefused, SameHands
from subscriptions.imports.check import LOADED, Checker, Verdict, counts_of, report_of
from subscriptions.imports.load import METHOD, ROWS_AT_A_TIME, load_rows, write_records
from subscriptions.imports.read import read_rows
from subscriptions.models import ConsentRecord, Evidence, Import, Newsletter, Subscription

Progress = Callable[[int], object]
UPLOAD, APPROVE = "import.upload", "import.approve"
Status = Import.Status
CUSTOMER = Subscription.LegalBasis.EXISTING_CUSTOMER


def _quiet(done: int) -> None:
    """Nobody watches."""


def check_import(
    *,
    newsletter: Newsletter,
    channel: Channel,
    content: bytes,
    actor: Actor,
    legal_basis: str = Subscription.LegalBasis.CONSENT,
    similar_offers: str = "",
    progress: Progress = _quiet,
) -> Import:
    """Read and judge a file; nobody in it is stored yet. Raises `ImportRefused` for the whole.

    The file itself is kept sealed until it is loaded, of its rows only line numbers and codes.
    `similar_offers` says, for existing customers, what of one's own is offered to them.
    """
    require(actor, UPLOAD, newsletter.pk)
    uploader = staff_of(actor)
    if uploader is None:
        raise ImportRefused("A list is uploaded by a member of staff, who answers for it.")
    _may_be_brought(newsletter, channel, legal_basis, similar_offers)
    rows = read_rows(content)
    verdicts = Checker(newsletter, channel, legal_basis).check(rows, progress)
    imported = Import(
        newsletter=newsletter,
        channel=channel,
        legal_basis=Subscription.LegalBasis(legal_basis),
        similar_offers=similar_offers.strip() if legal_basis == CUSTOMER else "",
        file_sha256=sha256(content).hexdigest(),
        counts=counts_of(verdicts),
        report=report_of(verdicts),
        uploaded_by=uploader,
        uploaded_at=timezone.now(),
    )
    imported.content_sealed = seal_system(_where(imported), content)
    _keep(imported, actor)
    return imported


def _may_be_brought(
    newsletter: Newsletter, channel: Channel, legal_basis: str, similar_offers: str
) -> None:
    """Raise `ImportRefused` for a list that no row of it could save."""
    if not newsletter.channels.filter(pk=channel.pk).exists():
        raise ImportRefused("The newsletter is not offered on this channel.")
    if newsletter.for_children:
        raise ImportRefused(
            "This newsletter is directed at children: everybody declares their age, so no list "
            "can bring them (Art. 8 GDPR)."
        )
    if legal_basis == CUSTOMER and not similar_offers.strip():
        raise ImportRefused(
            "Say which similar goods or services of your own are offered (section 7(3) UWG)."
        )


@transaction.atomic
def _keep(imported: Import, actor: Actor) -> None:
    imported.save(force_insert=True)
    counts = imported.counts
    record(
        "import.checked",
        actor=actor,
        obj="import",
        ref=imported.pk,
        facts={
            "rows": counts["rows"],
            "good": counts.get("good", 0),
            "basis": str(imported.legal_basis),
        },
    )


def load_import(*, imported: Import, actor: Actor, progress: Progress = _quiet) -> Import:
    """Store all good rows in one transaction, or none; they wait for the DPO's approval.

    The file is judged again, because people may have withdrawn since. Killed in the middle,
    nothing of it is there. Raises `ImportDecided` if it was loaded or rejected already.
    """
    require(actor, UPLOAD, imported.newsletter_id)
    if imported.status != Status.CHECKED or imported.content_sealed is None:
        raise ImportDecided("This list has been loaded, rejected or forgotten: check it again.")
    rows = read_rows(open_system(_where(imported), bytes(imported.content_sealed)))
    checker = Checker(imported.newsletter, imported.channel, imported.legal_basis)
    verdicts = checker.check(rows)
    with transaction.atomic():
        held = _held(imported, Status.CHECKED)
        # One load of a newsletter at a time; and whoever withdrew, or was put on the suppression
        # list, while we computed, is not overridden.
        Newsletter.objects.select_for_update(no_key=True).get(pk=held.newsletter_id)
        checker.against_ours(verdicts)
        checker.against_suppressions(verdicts)
        load_rows(held, [one for one in verdicts if one.code in LOADED], progress)
        held.counts, held.report = counts_of(verdicts), report_of(verdicts)
        held.status, held.content_sealed = Status.LOADED, None
        held.save()
        facts: dict[str, int | str | bool] = {
            code: held.counts.get(code, 0) for code in sorted(LOADED)
        }
        record("import.loaded", actor=actor, obj="import", ref=held.pk, facts=facts)
    imported.refresh_from_db()
    return imported


def approve_import(*, imported: Import, actor: Actor, progress: Progress = _quiet) -> int:
    """The DPO has seen the evidence: open the gates of those who have not left meanwhile.

    How many were opened. Raises `SameHands` for the uploader, `ImportDecided`.
    """
    require(actor, APPROVE, imported.newsletter_id)
    _other_hands(imported, actor)
    checker, opened = Checker(imported.newsletter, imported.channel, imported.legal_basis), 0
    hashes = _slow_hashes(checker, imported)
    with transaction.atomic():
        held = _held(imported, Status.LOADED)
        for waiting in _waiting(held):
            some = _who_stayed(checker, waiting, hashes)
            _confirm(held, some)
            opened += len(some)
            progress(len(some))
        _decide(held, Status.APPROVED, actor, "import.approved", opened)
    imported.refresh_from_db()
    return opened


def reject_import(*, imported: Import, actor: Actor) -> int:
    """Erase everybody whom only this list brought; how many. The ledger keeps its blind entries.

    The person who uploaded it may take it back as well.
    """
    if Actor.staff(imported.uploaded_by) != actor:
        require(actor, APPROVE, imported.newsletter_id)
    with transaction.atomic():
        held = _held(imported, Status.CHECKED, Status.LOADED)
        rows = (
            Subscription.objects.filter(imported_by=held, status=Subscription.Status.IMPORTED)
            .select_related("address")
            .order_by("pk")
        )
        gone = [_erase(one) for one in rows]
        held.content_sealed = None
        _decide(held, Status.REJECTED, actor, "import.rejected", len(gone))
        alone = [subject for subject in gone if subject is not None]
        transaction.on_commit(lambda: [shred_all(subject) for subject in alone])
    imported.refresh_from_db()
    return len(gone)


def _erase(subscription: Subscription) -> UUID | None:
    """Erase one imported subscription; the subject whose keys go, or None if more is known."""
    subject, address = subscription.subscriber_id, subscription.address_id
    Gate.objects.filter(pk=subscription.pk).delete()
    subscription.delete()
    is_theirs_alone = (
        not Subscription.objects.filter(subscriber=subject).exists()
        and not Address.objects.filter(subject=subject).exclude(pk=address).exists()
        and not ConsentRecord.objects.filter(subject=subject)
        .exclude(state=State.REQUESTED)
        .exists()
    )
    if not is_theirs_alone:
        return None
    erase_everywhere(subject)
    Evidence.objects.filter(subject=subject).delete()
    DataSubject.objects.filter(pk=subject).delete()
    return subject


def _waiting(imported: Import) -> Iterator[list[Subscription]]:
    """Those to confirm, some at a time: not who left, or whose processing is restricted, meanwhile.

    Their gates are locked first, as a withdrawal does it: the other way round the two would wait
    for each other. Whoever withdrew before we had the gate is read again, and left out.
    """
    rows = Subscription.objects.filter(imported_by=imported, status=Subscription.Status.IMPORTED)
    restricted = DataSubject.objects.exclude(status=DataSubject.Status.ACTIVE).values("pk")
    rows = rows.exclude(subscriber__in=restricted).order_by("pk")
    ids = list(rows.values_list("pk", flat=True))
    for start in range(0, len(ids), ROWS_AT_A_TIME):
        some = ids[start : start + ROWS_AT_A_TIME]
        list(Gate.objects.filter(pk__in=some).order_by("pk").select_for_update().values_list("pk"))
        held = rows.filter(pk__in=some).select_related("address").select_for_update(of=("self",))
        yield list(held)


def _who_stayed(
    checker: Checker, waiting: list[Subscription], hashes: dict[UUID, bytes]
) -> list[Subscription]:
    """Without those who left on another account, or came on the suppression list, meanwhile.

    Their gates stay closed. The list is asked for every account of the messenger, and first: what
    is suppressed need not be looked for among ours.
    """
    ring = KeyRing.load([one.subscriber_id for one in waiting], "ops")
    verdicts = [
        Verdict(0, "good", _spelled(one, ring), fingerprint=hashes.get(one.pk, b""))
        for one in waiting
    ]
    checker.against_suppressions(verdicts)
    checker.against_ours(verdicts)
    pairs = list(zip(waiting, verdicts, strict=True))
    listed = [one.pk for one, verdict in pairs if verdict.code == "suppressed"]
    close_gates(gate_ids=listed, reason=Gate.Reason.SUPPRESSED)
    return [one for one, verdict in pairs if verdict.code not in {"withdrew_here", "suppressed"}]


def _slow_hashes(checker: Checker, imported: Import) -> dict[UUID, bytes]:
    """What the suppression list is asked with, by subscription: slow, so before the transaction."""
    rows = Subscription.objects.filter(imported_by=imported, status=Subscription.Status.IMPORTED)
    waiting = list(rows.select_related("address").order_by("pk"))
    found: dict[UUID, bytes] = {}
    for start in range(0, len(waiting), ROWS_AT_A_TIME):
        some = waiting[start : start + ROWS_AT_A_TIME]
        ring = KeyRing.load([one.subscriber_id for one in some], "ops")
        known = [one for one in some if ring.has(one.subscriber_id)]  # or erased just now
        verdicts = [Verdict(0, "good", _spelled(one, ring)) for one in known]
        checker.against_suppressions(verdicts)
        found |= {one.pk: v.fingerprint for one, v in zip(known, verdicts, strict=True)}
    return found


def _spelled(one: Subscription, ring: KeyRing) -> str:
    where = Where("messengers_address", "sealed", one.address_id)
    return ring.open(one.subscriber_id, where, bytes(one.address.sealed)).decode()


def _confirm(imported: Import, some: list[Subscription]) -> None:
    now = timezone.now()
    claims = dict(
        ConsentRecord.objects.filter(
            subscription__in=[one.pk for one in some], state=State.REQUESTED
        ).values_list("subscription", "at")
    )
    for one in some:
        one.status = Subscription.Status.CONFIRMED
        one.confirmed_at = claims.get(one.pk, now)
    Subscription.objects.bulk_update(some, ["status", "confirmed_at"])
    Gate.objects.filter(
        pk__in=[one.pk for one in some], reason=Gate.Reason.AWAITING_APPROVAL
    ).update(is_open=True, reason="", changed_at=now)
    ring = KeyRing.load([one.subscriber_id for one in some], "ops")
    write_records([_given(imported, one, ring) for one in some])


def _given(imported: Import, one: Subscription, ring: KeyRing) -> Change:
    return Change(
        subject=one.subscriber_id,
        subscription=one.pk,
        newsletter=imported.newsletter_id,
        channel_kind=imported.channel.kind,
        canonical=_spelled(one, ring),
        state=State.GIVEN,
        method=METHOD[imported.legal_basis],
        at=one.confirmed_at or timezone.now(),
        evidence={
            "import": imported.pk,
            "approved_at": timezone.now(),
            "legal_basis": str(imported.legal_basis),
            "similar_offers": imported.similar_offers,
        },
    )


def _held(imported: Import, *allowed: Import.Status) -> Import:
    held = Import.objects.select_for_update(of=("self",)).select_related("newsletter", "channel")
    found = held.get(pk=imported.pk)
    if found.status not in allowed:
        raise ImportDecided(f"This list is {found.get_status_display()} already.")
    return found


def _other_hands(imported: Import, actor: Actor) -> None:
    if actor == Actor.staff(imported.uploaded_by):
        raise SameHands("Who uploaded a list cannot approve it: ask another person.")


def _decide(held: Import, status: Import.Status, actor: Actor, action: str, people: int) -> None:
    held.status, held.decided_by, held.decided_at = status, staff_of(actor), timezone.now()
    held.save()
    record(action, actor=actor, obj="import", ref=held.pk, facts={"people": people})


def _where(imported: Import) -> Where:
    return Where("subscriptions_import", "content_sealed", imported.pk)
