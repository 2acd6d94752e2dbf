"""Comparing with those who remember on their own: signer, witnesses, the processes' logs."""

from collections.abc import Mapping
from itertools import islice
from uuid import UUID

from django.db import connections

from privacy.audit.apart import WARNINGS, lacks_distance
from privacy.audit.errors import SignerSays
from privacy.audit.keys import witnesses
from privacy.audit.logs import SOURCES, origin
from privacy.audit.note import Note, Verifier
from privacy.audit.signing import has_signer, signer_logs
from privacy.audit.stamps import check, has_roots
from privacy.audit.verify.result import VerifyResult
from privacy.audit.verify.whole import Reading
from privacy.models import Anchor, Log, Watch

AT_ONCE = 10_000
STAMP_WORDS = {"other_text": "is of another text", "refused": "is a refusal"}


def compare_with_others(reading: Reading) -> None:
    """The signer's and the witnesses' last size and root; every cosignature that we keep."""
    _compare_with_signer(reading)
    _check_cosignatures(reading)
    _check_stamps(reading)
    watches = Watch.objects.filter(name__endswith=f"/{reading.log.name.lower()}")
    for name, size in watches.exclude(name__startswith="keys/").values_list("name", "size"):
        if size > reading.size:
            reading.result.is_missing(
                f"{reading.name}: {name} has seen {size} entries, and {reading.size} are left"
            )


def _compare_with_signer(reading: Reading) -> None:
    result = reading.result
    if not has_signer():
        result.warnings.append(f"{reading.name}: not compared with the signer: none is here")
        return
    try:
        told = signer_logs().get(origin(reading.log))
    except SignerSays:
        told = None
    if told is None:
        result.warnings.append(f"{reading.name}: not compared with the signer: it does not answer")
        return
    result.compared_with_signer = True
    if reading.log == Log.AUDIT and (reason := lacks_distance()):
        result.warnings.append(f"{WARNINGS[reason]}: docs/audit.md says how to keep them apart")
    size = int(told["size"])
    if size > reading.size:
        result.is_missing(
            f"{reading.name}: {size - reading.size} entries from place {reading.size} on are gone;"
            f" the signer has signed {size}"
        )
    elif size and _root(reading, size) != told["root"]:
        result.is_changed(f"{reading.name}: the signer has signed another log of {size} entries")
    if told["rolled_back"]:
        result.warnings.append(f"{reading.name}: the signer was once told to accept a smaller log")


def _root(reading: Reading, size: int) -> str:
    try:
        return reading.root_at(size).hex()
    except LookupError:
        return ""


def _check_cosignatures(reading: Reading) -> None:
    keys: dict[str, Verifier] = {witness.name: witness.key for witness in witnesses()}
    anchors = Anchor.objects.filter(
        kind=Anchor.Kind.WITNESS, checkpoint__log=reading.log, name__in=keys
    ).select_related("checkpoint")
    for anchor in anchors.iterator(chunk_size=1000):
        try:
            note = Note.parse(anchor.checkpoint.note + bytes(anchor.proof).decode())
            holds = note.signed_by(keys[anchor.name]) is not None
        except ValueError:
            holds = False
        reading.result.cosignatures += 1
        if not holds:
            reading.result.is_changed(
                f"{reading.name}: the cosignature of {anchor.name} on {anchor.checkpoint.size}"
                " entries does not hold"
            )


def _check_stamps(reading: Reading) -> None:
    """Each time-stamp once more: whose it is, and whether it is of this checkpoint's text."""
    anchors = Anchor.objects.filter(kind=Anchor.Kind.TIMESTAMP, checkpoint__log=reading.log)
    if anchors.exists() and not has_roots():
        reading.result.warnings.append(
            f"{reading.name}: the time-stamps were not checked: JAWORT_TSA_ROOTS names no roots"
        )
        return
    for anchor in anchors.select_related("checkpoint").iterator(chunk_size=1000):
        reading.result.stamps += 1
        try:
            check(anchor.checkpoint.note, bytes(anchor.proof))
        except SignerSays as error:
            wrong = STAMP_WORDS.get(error.trouble, "does not hold")
            reading.result.is_changed(
                f"{reading.name}: the time-stamp of {anchor.name} on {anchor.checkpoint.size}"
                f" entries {wrong}"
            )


def compare_with_logs(witness: Mapping[UUID, str], result: VerifyResult) -> None:
    """Each hash that a process logged when it committed must be in a table, and the same."""
    pairs = iter(witness.items())
    while page := dict(islice(pairs, AT_ONCE)):
        known = _hashes(list(page))
        for ident, leaf in page.items():
            if ident not in known:
                result.is_missing(f"{ident}: in the logs, but not in the table")
            elif known[ident] != leaf:
                result.is_changed(f"{ident}: another hash than in the logs")


def _hashes(idents: list[UUID]) -> dict[UUID, str]:
    found: dict[UUID, str] = {}
    with connections["default"].cursor() as cursor:
        for log in Log:
            cursor.execute(
                f"SELECT id, leaf FROM {SOURCES[log].table} WHERE id = ANY (%s)", [idents]
            )
            found |= {ident: bytes(leaf).hex() for ident, leaf in cursor.fetchall()}
    return found
