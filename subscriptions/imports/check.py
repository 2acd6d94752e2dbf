"""Each row judged by itself and against what we know. Every refusal has a code and a line."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from messengers.addresses import digest_of
from messengers.channels import adapter_of
from messengers.contract import Adapter, BadAddress
from messengers.models import AddressIndex, Channel
from privacy.models import Suppression
from privacy.suppression import fingerprints, suppressed_among
from subscriptions.imports.read import Row
from subscriptions.models import Newsletter, Subscription, Topic
from subscriptions.words.fold import skeleton

# Code -> what it means, for the report and the page.
CODES = {
    "good": _("Good: will be loaded"),
    "withdrawn": _("Has withdrawn: kept as withdrawn, never written to"),
    "duplicate": _("Stands in the list already, perhaps spelled differently"),
    "missing_address": _("No telephone number or e-mail address"),
    "bad_address": _("There is no such telephone number or e-mail address"),
    "missing_evidence": _("No proof of consent: date, and source or wording, are needed"),
    "missing_sale": _(
        "No proof of a sale: its date, what was sold, and how the person was told that they can "
        "object are needed"
    ),
    "bad_date": _("The date of the consent or sale cannot be read"),
    "future_date": _("The date of the consent or sale is in the future"),
    "unknown_topic": _("The newsletter has no such topic"),
    "unknown_language": _("Unknown language"),
    "unknown_status": _("Unknown status"),
    "broken_row": _("The row has more cells than the heading, or a cell that is too long"),
    "already_subscribed": _("Is subscribed, or waits for approval, already"),
    "withdrew_here": _("Withdrew or objected here: a list cannot change that"),
    "suppressed": _("On the suppression list: only the person can come back"),
}
ACTIVE = frozenset(
    skeleton("aktiv active bestätigt confirmed angemeldet subscribed ja yes ok opt-in").split()
) | {""}
WITHDRAWN = frozenset(
    skeleton(
        "abgemeldet withdrawn unsubscribed widerrufen gekündigt abbestellt stop stopp gesperrt "
        "blocked inaktiv inactive opt-out optout gelöscht deleted removed cancelled nein no bounced"
    ).split()
)
LANGUAGES = {
    "": "", "de": "de", "deutsch": "de", "german": "de", "ger": "de", "deu": "de", "de-de": "de",
    "en": "en", "englisch": "en", "english": "en", "eng": "en", "en-gb": "en", "en-us": "en",
}  # fmt: skip
DATES = (
    "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%y", "%d.%m.%y %H:%M",
    "%Y/%m/%d", "%Y/%m/%d %H:%M",
)  # fmt: skip
OLDEST = datetime(1995, 1, 1, tzinfo=ZoneInfo("UTC"))
LETTER = re.compile(r"[^\W\d_]")
CLOCK_SLACK = timedelta(hours=1)
Status = Subscription.Status
LOADED = frozenset({"good", "withdrawn"})  # the verdicts that become rows
LEFT = frozenset({Status.WITHDRAWN, Status.OBJECTED})


@dataclass(slots=True)
class Verdict:
    """What becomes of one row, with what was understood of it."""

    line: int
    code: str
    canonical: str = field(default="", repr=False)
    first_name: str = field(default="", repr=False)
    last_name: str = field(default="", repr=False)
    language: str = "de"
    topics: list[Topic] = field(default_factory=list)
    consent_at: datetime | None = None
    source: str = field(default="", repr=False)
    wording: str = field(default="", repr=False)
    fingerprint: bytes = field(default=b"", repr=False)  # slow: computed once, and only if needed


class Checker:
    """Judges rows for one newsletter on one channel; its look-ups are made once for all rows."""

    def __init__(
        self,
        newsletter: Newsletter,
        channel: Channel,
        legal_basis: str = Subscription.LegalBasis.CONSENT,
    ) -> None:
        self.newsletter = newsletter
        self.is_sale = legal_basis == Subscription.LegalBasis.EXISTING_CUSTOMER
        self.channel = channel
        self.adapter: Adapter = adapter_of(channel)
        self.zone = ZoneInfo(newsletter.time_zone)
        self.topics = {
            skeleton(text): topic
            for topic in newsletter.topics.all()
            for text in (topic.slug, topic.name_de, topic.name_en)
        }

    def check(
        self, rows: Iterable[Row], progress: Callable[[int], object] = lambda done: None
    ) -> list[Verdict]:
        """A verdict for each row, in order. Slow where suppressions exist: call it before a
        transaction. `progress` is called with how many more rows are done.
        """
        verdicts = []
        for row in rows:
            verdicts.append(self._alone(row))
            progress(1)
        self._among_themselves(verdicts)
        self.against_ours(verdicts)
        self.against_suppressions(verdicts)
        return verdicts

    def _alone(self, row: Row) -> Verdict:
        verdict = Verdict(row.line, "good")
        verdict.first_name, verdict.last_name = row["first_name"][:100], row["last_name"][:100]
        verdict.source = row["sale"] if self.is_sale else row["consent_source"]
        verdict.wording = row["wording"]
        verdict.code = (
            ("broken_row" if row.is_broken else "")
            or self._address(row, verdict)
            or _status(row)
            or self._evidence(row, verdict)
            or self._choices(row, verdict)
            or "good"
        )
        return verdict

    def _address(self, row: Row, verdict: Verdict) -> str:
        if not row["address"]:
            return "missing_address"
        try:
            verdict.canonical = self.adapter.canonical(row["address"])
        except BadAddress:
            return "bad_address"
        # "+49 30 unknown" would be dialled by the letters on the keys: nobody means that in a list.
        is_dialled = verdict.canonical.startswith("+") and LETTER.search(row["address"])
        return "bad_address" if is_dialled else ""

    def _evidence(self, row: Row, verdict: Verdict) -> str:
        """Of a consent; or of a sale, and that the person was told at it (section 7(3) UWG)."""
        if self.is_sale and not (row["sold_at"] and row["sale"] and row["wording"]):
            return "missing_sale"
        when = row["sold_at"] if self.is_sale else row["consent_at"]
        if not when or not (verdict.source or verdict.wording):
            return "missing_evidence"
        verdict.consent_at = read_date(when, self.zone)
        if verdict.consent_at is None or verdict.consent_at < OLDEST:
            return "bad_date"
        return "future_date" if verdict.consent_at > timezone.now() + CLOCK_SLACK else ""

    def _choices(self, row: Row, verdict: Verdict) -> str:
        names = [skeleton(name).strip() for name in row["topics"].replace("|", ",").split(",")]
        wanted = [name for name in names if name]
        if any(name not in self.topics for name in wanted):
            return "unknown_topic"
        verdict.topics = list(dict.fromkeys(self.topics[name] for name in wanted))
        language = LANGUAGES.get(skeleton(row["language"]))
        if language is None:
            return "unknown_language"
        verdict.language = language or "de"
        return ""

    def _among_themselves(self, verdicts: list[Verdict]) -> None:
        """The first good row of an address counts; one withdrawal in the list counts for all."""
        gone = {one.canonical for one in verdicts if one.code == "withdrawn"}
        seen: set[str] = set()
        for verdict in verdicts:
            if verdict.code not in LOADED:
                continue
            if verdict.canonical in seen:
                verdict.code = "duplicate"
            elif verdict.canonical in gone:
                verdict.code = "withdrawn"
            seen.add(verdict.canonical)

    def against_ours(self, verdicts: list[Verdict]) -> None:
        """What this newsletter knows of these addresses already; a list never overrides it.

        Whoever left it on another account of the same messenger has left it here, too.
        """
        concerned = [one for one in verdicts if one.code in LOADED]
        for channel in Channel.objects.filter(kind=self.channel.kind):
            digests = {digest_of(channel.pk, one.canonical): one for one in concerned}
            for digest, status in self._statuses(channel, list(digests)):
                if status in LEFT:
                    digests[digest].code = "withdrew_here"
                elif channel == self.channel and digests[digest].code in LOADED:
                    is_over = status == Status.LAPSED
                    digests[digest].code = "withdrew_here" if is_over else "already_subscribed"

    def _statuses(self, channel: Channel, digests: list[bytes]) -> Iterator[tuple[bytes, str]]:
        """Which of these addresses have a subscription on this account, and what became of it."""
        for some in _chunks(digests):
            rows = AddressIndex.objects.filter(channel=channel, digest__in=some)
            addresses = dict(rows.values_list("address", "digest"))
            statuses = Subscription.objects.filter(
                newsletter=self.newsletter, address__in=addresses
            ).values_list("address", "status")
            for address, status in statuses:
                yield bytes(addresses[address]), status

    def against_suppressions(self, verdicts: list[Verdict]) -> None:
        """Slow hashes for whoever would be loaded, on all processors; none if none is listed.

        Asked again, it looks again and computes only what it has not computed before.
        """
        if not Suppression.objects.filter(kind=self.channel.kind).exists():
            return
        concerned = [one for one in verdicts if one.code in LOADED]
        new = [one for one in concerned if not one.fingerprint]
        found = fingerprints((self.channel.kind, one.canonical) for one in new)
        for verdict, computed in zip(new, found, strict=True):
            verdict.fingerprint = computed
        listed: set[bytes] = set()
        for some in _chunks([one.fingerprint for one in concerned]):
            listed |= suppressed_among(some, self.newsletter.pk)
        for verdict in concerned:
            if verdict.fingerprint in listed:
                verdict.code = "suppressed"


def counts_of(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Code -> number; `rows` is the sum."""
    counts = Counter(verdict.code for verdict in verdicts)
    return {"rows": counts.total(), **{code: counts[code] for code in CODES if counts[code]}}


def report_of(verdicts: Iterable[Verdict]) -> list[list[object]]:
    """[line, code] of every row that will not be written to. No addresses."""
    return [[verdict.line, verdict.code] for verdict in verdicts if verdict.code != "good"]


def read_date(text: str, zone: ZoneInfo) -> datetime | None:
    """ISO 8601 or day.month.year, in the newsletter's zone unless it names its own."""
    clean = " ".join(text.replace(" Uhr", "").replace(",", " ").split())
    found = _iso_date(clean) or _german_date(clean)
    if found is None or found.tzinfo:
        return found
    return found.replace(tzinfo=zone)


def _iso_date(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _german_date(text: str) -> datetime | None:
    for pattern in DATES:
        try:
            return datetime.strptime(text, pattern)  # the zone is added above
        except ValueError:
            continue
    return None


def _status(row: Row) -> str:
    word = skeleton(row["status"]).strip()
    if word in WITHDRAWN:
        return "withdrawn"
    return "" if word in ACTIVE else "unknown_status"


def _chunks(items: list[bytes], size: int = 5_000) -> Iterable[list[bytes]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
