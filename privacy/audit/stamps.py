"""Time-stamps on checkpoints by an authority outside (RFC 3161), once a day if one is configured.

Stamped is the text of the signed note, without its signatures: origin, size and root. The whole
answer is kept, so that `openssl ts -verify` can read it decades later.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from django.conf import settings
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from privacy.audit.checkpoints import latest
from privacy.audit.errors import SignerSays
from privacy.audit.note import Note
from privacy.audit.proofs import stamp_of
from privacy.audit.signing import ANSWER_BYTES_MAX, connection_to
from privacy.audit.watches import in_trouble, well
from privacy.models import Anchor, Log, Watch

EVERY = timedelta(days=1)
# Authorities count requests, some want money for them: one that failed is asked again after this.
AGAIN = timedelta(hours=1)


def stamp_due(now: datetime) -> list[Anchor]:
    """Stamp each log whose last time-stamp is a day old. Troubles are kept for the page."""
    made = [_stamp(log, now) for log in Log if settings.JAWORT_TSA and _claim(log, now)]
    return [anchor for anchor in made if anchor]


def stamp_now(now: datetime) -> list[Anchor]:
    """Stamp each log at once; a checkpoint that has its time-stamp gets no second one."""
    return [anchor for log in Log if (anchor := _stamp(log, now))]


def authority() -> str:
    """The name under which the configured authority is shown: its host."""
    return urlsplit(settings.JAWORT_TSA).hostname or settings.JAWORT_TSA


def watch_name(log: Log) -> str:
    return f"stamp/{authority()}/{log.name.lower()}"


def check(note: str, answer: bytes, nonce: int | None = None) -> datetime:
    """The time that a believed authority states for this note. `SignerSays` otherwise.

    `nonce` is the number that was sent with the request, if the answer has only just come.
    """
    try:
        read = decode_timestamp_response(answer)
        if read.status != PKIStatus.GRANTED:
            raise SignerSays("refused")
        text = Note.parse(note).text.encode()
        if read.tst_info.message_imprint.message != sha256(text).digest():
            raise SignerSays("other_text")
        VerifierBuilder(roots=_roots(), nonce=nonce).build().verify_message(read, text)
        return _time_of(read)
    except (ValueError, VerificationError):
        raise SignerSays("bad_signature") from None


def has_roots() -> bool:
    """Whether there are roots to believe; without them nothing is stamped, nothing checked."""
    try:
        return bool(_roots())
    except SignerSays:
        return False


def _stamp(log: Log, now: datetime) -> Anchor | None:
    checkpoint = latest(log)
    if checkpoint is None or stamp_of(checkpoint):
        return None
    try:
        _roots()
        proof, nonce = _ask(Note.parse(checkpoint.note))
        time = check(checkpoint.note, proof, nonce)
    except SignerSays as error:
        in_trouble(watch_name(log), now, error.trouble)
        return None
    well(watch_name(log), now, checkpoint.size, stated=time.isoformat())
    return Anchor.objects.create(
        checkpoint=checkpoint, kind=Anchor.Kind.TIMESTAMP, name=authority(), proof=proof, at=now
    )


def _claim(log: Log, now: datetime) -> bool:
    """Whether it is time, and this process is the one that does it: two would pay twice."""
    if latest(log) is None:
        return False
    before = Watch.objects.filter(name=watch_name(log)).first()
    if before is None:
        return Watch.objects.get_or_create(name=watch_name(log), defaults={"tried_at": now})[1]
    wait = EVERY if before.well_at and not before.trouble else AGAIN
    mine = Watch.objects.filter(name=before.name, tried_at=before.tried_at)
    return now - before.tried_at >= wait and mine.update(tried_at=now) == 1


def _ask(note: Note) -> tuple[bytes, int | None]:
    """The authority's answer, and the number it must repeat."""
    builder = TimestampRequestBuilder().data(note.text.encode())
    asked = builder.hash_algorithm(HashAlgorithm.SHA256).build()
    url = urlsplit(settings.JAWORT_TSA)
    connection, _ = connection_to(settings.JAWORT_TSA)
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        kind = {"Content-Type": "application/timestamp-query"}
        connection.request("POST", path, asked.as_bytes(), kind)
        answer = connection.getresponse()
        if answer.status != 200:
            raise SignerSays("refused")
        return answer.read(ANSWER_BYTES_MAX), asked.nonce
    except (OSError, HTTPException):
        raise SignerSays("unreachable") from None
    finally:
        connection.close()


def _roots() -> list[x509.Certificate]:
    path = settings.JAWORT_TSA_ROOTS
    try:
        return _read_roots(Path(path), Path(path).stat().st_mtime_ns) if path else _no_roots()
    except (OSError, ValueError):
        return _no_roots()


def _no_roots() -> list[x509.Certificate]:
    raise SignerSays("no_roots")


@lru_cache(maxsize=4)
def _read_roots(path: Path, changed: int) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def _time_of(read: TimeStampResponse) -> datetime:
    stated = read.tst_info.gen_time
    return stated if stated.tzinfo else stated.replace(tzinfo=UTC)
