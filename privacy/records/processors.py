"""Who gets personal data through us: profiles of channels, and other companies that work for us."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from privacy.access import Actor
from privacy.audit import record
from privacy.models import Processor
from privacy.records.countries import fits, stays_in_eea
from privacy.records.errors import FileTooLarge
from privacy.records.suggestions import suggestion_for
from privacy.vault import Where, open_system, seal_system

Role, Transfer, Service = Processor.Role, Processor.Transfer, Processor.Service
MAX_FILE_BYTES = 10 * 1024 * 1024
FACTS = (
    "name", "purpose", "role", "country", "transfer", "contract", "contract_on", "sub_processors",
    "retention", "decision",
)  # fmt: skip
# With these somebody else processes for us, so there has to be a contract (Art. 26(1), 28(3)).
BOUND = (Role.PROCESSOR, Role.JOINT)


@dataclass(frozen=True)
class Contract:
    """A signed file, as it was uploaded."""

    content: bytes
    content_type: str


def profile_of(channel_id: UUID) -> Processor | None:
    """The profile of this channel's provider; None if nobody has filled it in."""
    return Processor.objects.filter(channel=channel_id).first()


def is_complete(channel_id: UUID) -> bool:
    """Whether a channel may go live: its profile is there and says all that the law asks for."""
    return not missing_of(profile_of(channel_id))


def missing_of(profile: Processor | None) -> list[str]:
    """What a profile lacks, in words; empty is complete."""
    if profile is None:
        return [_("the whole profile of the provider")]
    lacking = [words for is_there, words in _needed(profile) if not is_there]
    if profile.country and profile.transfer and not fits(profile.country, profile.transfer):
        lacking.append(_("an instrument of transfer that fits the country"))
    return lacking


def _needed(profile: Processor) -> list[tuple[bool, str]]:
    """(is it there, what it is called) for everything that this profile needs."""
    needed = [
        (bool(profile.name), _("the company")),
        (bool(profile.role), _("its role")),
        (bool(profile.country), _("its country")),
        (bool(profile.transfer), _("the instrument of transfer")),
        (bool(profile.retention), _("how long it keeps data")),
    ]
    if profile.role in BOUND:
        needed += [
            (bool(profile.contract), _("the contract (Art. 26, 28 GDPR)")),
            (profile.contract_on is not None, _("the date of the contract")),
            (bool(profile.sub_processors), _("its sub-processors, or “none”")),
        ]
    if warnings_of(profile):
        needed.append((bool(profile.decision), _("why it is used in spite of the warning")))
    return needed


def warnings_of(profile: Processor) -> list[str]:
    """What to beware of: what is known about the messenger, and what the profile itself says."""
    warning = str(suggestion_for(profile.channel_kind).warning)
    found = [warning] if warning else []
    if profile.transfer == Transfer.MISSING:
        found.append(_("There is no instrument for the transfer (Art. 44 GDPR)."))
    if profile.transfer == Transfer.DPF:
        found.append(
            _("The framework with the USA is under appeal (C-703/25 P): keep a second instrument.")
        )
    if profile.transfer == Transfer.EXCEPTION:
        found.append(_("Art. 49 GDPR is for single cases, not for a newsletter."))
    return found


def profile_from(channel_kind: str, facts: dict[str, Any]) -> Processor:
    """A profile that is not stored, to ask `missing_of` before anything is written."""
    return Processor(service=Service.CHANNEL, channel_kind=channel_kind, **facts)


@transaction.atomic
def save_profile(
    *,
    channel_id: UUID,
    channel_kind: str,
    facts: dict[str, Any],
    actor: Actor,
    contract: Contract | None = None,
) -> Processor:
    """Store the profile of a channel, complete or not. The caller has checked the right to it."""
    profile = Processor.objects.select_for_update().filter(channel=channel_id).first()
    profile = profile or Processor(channel=channel_id, service=Service.CHANNEL)
    profile.channel_kind = channel_kind
    return _save(profile, facts, actor, contract, obj="channel", ref=channel_id)


@transaction.atomic
def save_processor(
    *,
    processor: Processor | None,
    facts: dict[str, Any],
    actor: Actor,
    contract: Contract | None = None,
) -> Processor:
    """Store a company that is no channel: host, mail server, gateway, maintenance."""
    row = processor or Processor()
    row.service = facts.pop("service", row.service)
    return _save(row, facts, actor, contract, obj="processor", ref=row.pk)


@transaction.atomic
def end_processor(*, processor: Processor, actor: Actor, on: date | None = None) -> None:
    """It works for us no more; the row stays, because the data it had are asked about for years."""
    processor.ended_on = on or timezone.now().date()
    processor.save(update_fields=["ended_on"])
    record("processor.ended", actor=actor, obj="processor", ref=processor.pk)


def _save(
    row: Processor,
    facts: dict[str, Any],
    actor: Actor,
    contract: Contract | None,
    *,
    obj: str,
    ref: UUID,
) -> Processor:
    changed = [name for name in FACTS if name in facts and getattr(row, name) != facts[name]]
    for name in changed:
        setattr(row, name, facts[name])
    if contract is not None:
        _keep(row, contract)
    row.save()
    noted: dict[str, int | str | bool] = {
        "fields": len(changed),
        "file": contract is not None,
        "complete": not missing_of(row),
    }
    record("processor.changed", actor=actor, obj=obj, ref=ref, facts=noted)
    return row


def _keep(row: Processor, contract: Contract) -> None:
    if len(contract.content) > MAX_FILE_BYTES:
        raise FileTooLarge
    row.contract_sealed = seal_system(_where(row), contract.content)
    row.contract_sha256 = sha256(contract.content).hexdigest()
    row.contract_type = contract.content_type[:80]


def contract_of(row: Processor) -> bytes:
    """The signed file, opened."""
    assert row.contract_sealed is not None
    return open_system(_where(row), bytes(row.contract_sealed))


def _where(row: Processor) -> Where:
    return Where("privacy_processor", "contract_sealed", row.pk)


def present() -> QuerySet[Processor]:
    """Everybody who works for us today, channels first."""
    return Processor.objects.filter(ended_on=None).order_by("service", "name", "id")


def transfer_words(profile: Processor) -> str:
    """The instrument as a notice names it; empty inside the EEA."""
    if profile.transfer == Transfer.NONE or stays_in_eea(profile.country):
        return ""
    return str(profile.get_transfer_display())


def notice_lines(channel_ids: Iterable[UUID], language: str) -> list[str]:
    """One line for each provider, as a privacy notice has to name it (Art. 13(1)(e), (f) GDPR)."""
    rows = Processor.objects.filter(channel__in=list(channel_ids)).order_by("name", "id")
    with translation.override(language):
        return list(dict.fromkeys(notice_line(row) for row in rows if row.name))


def notice_line(row: Processor) -> str:
    """Name, country, role, instrument, time of storage: in the active language."""
    where = f"{row.name} ({row.country})" if row.country else row.name
    parts = [where, row.get_role_display() if row.role else "", transfer_words(row)]
    line = ", ".join(part for part in map(str, parts) if part)
    if row.retention:
        line += "; " + _("keeps data: %(term)s") % {"term": row.retention}
    warning = str(suggestion_for(row.channel_kind).warning)
    return f"{line}. {warning}".rstrip() if warning else f"{line}."
