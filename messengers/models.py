"""Tables of the sending and receiving floor: accounts, addresses, gates, inbox and outbox."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from messengers.registry import kind_choices
from privacy.ids import uuid7

MAX_BATCH = 256  # recipients; promised in docs/delivery.md, kept by a CHECK


class Channel(models.Model):
    """One account at one provider."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        STOPPED = "stopped", _("Stopped")  # the kill switch: nothing leaves, hooks still answer

    class OnDoubt(models.TextChoices):
        HOLD = "hold", _("Wait for evidence or a person")
        RESEND = "resend", _("Send again by itself")

    class Breaker(models.TextChoices):
        CLOSED = "closed", _("Closed")
        OPEN = "open", _("Open")
        HALF_OPEN = "half_open", _("Being tried")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=24, choices=kind_choices)
    name = models.CharField(max_length=120)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.ACTIVE)
    settings = models.JSONField(default=dict)  # base_url, sender …: nothing secret
    secrets_sealed = models.BinaryField(null=True)
    # Rate: generic cell rate algorithm in one UPDATE by the database's clock (messengers/rate.py).
    rate_per_second = models.FloatField(default=50.0)
    reply_reserve = models.FloatField(
        default=0.1
    )  # share of the rate that broadcasts leave to replies
    theoretical_arrival_at = models.DateTimeField(null=True)
    paused_until = models.DateTimeField(null=True)
    paused_why = models.CharField(max_length=64, blank=True)
    setbacks = models.PositiveSmallIntegerField(default=0)  # pauses in a row, without an acceptance
    # What happens to a message nobody knows about: an administrator's choice, with a reason.
    on_doubt = models.CharField(
        max_length=6, choices=OnDoubt.choices, default=OnDoubt.HOLD, db_default="hold"
    )
    on_doubt_since = models.DateTimeField(null=True)  # doubts from before keep the policy of then
    # The circuit breaker: too many lost answers, and broadcasts wait.
    breaker = models.CharField(
        max_length=9, choices=Breaker.choices, default=Breaker.CLOSED, db_default="closed"
    )
    breaker_until = models.DateTimeField(null=True)  # an open one waits until then
    breaker_opens = models.PositiveSmallIntegerField(default=0, db_default=0)  # in a row
    probes_left = models.PositiveSmallIntegerField(default=0, db_default=0)  # of a half-open one
    doubts_in_a_row = models.PositiveIntegerField(default=0, db_default=0)
    doubt_times = ArrayField(models.DateTimeField(), default=list)  # of the last twenty
    # Who the provider is, for privacy notices and exports (Art. 15(1)(c), 28, 44 GDPR).
    provider_name = models.CharField(max_length=120, blank=True)
    provider_country = models.CharField(max_length=2, blank=True)
    transfer_basis = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)


class Address(models.Model):
    """Where a person can be reached on one channel; sealed under the person's key."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="addresses")
    subject = models.UUIDField(db_index=True)  # privacy.DataSubject; survives it in no case
    sealed = models.BinaryField()  # the canonical identifier
    profile_sealed = models.BinaryField(null=True)  # JSON: first_name, last_name
    created_at = models.DateTimeField(auto_now_add=True)


class AddressIndex(models.Model):
    """Finds an address by an identifier without knowing it; an address may have several."""

    id = models.BigAutoField(primary_key=True)
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+")
    digest = models.BinaryField(max_length=16)
    address = models.ForeignKey(Address, on_delete=models.CASCADE, related_name="indexes")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "digest"], name="one_address_per_identifier")
        ]


class Gate(models.Model):
    """May this subscription be written to? The only question the engine asks about a person.

    `id` is the subscription's. Whatever forbids sending closes the gate in its own transaction.
    """

    class Reason(models.TextChoices):
        AWAITING_APPROVAL = "awaiting_approval", _("Import waits for approval")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        OBJECTED = "objected", _("Objected")
        RESTRICTED = "restricted", _("Processing restricted")
        SUPPRESSED = "suppressed", _("On the suppression list")
        ERASED = "erased", _("Erased")
        LAPSED = "lapsed", _("Consent lapsed")
        HARD_BOUNCE = "hard_bounce", _("Address does not exist")
        BLOCKED = "blocked", _("Blocked us at the messenger")
        STAFF = "staff", _("Closed by staff")

    id = models.UUIDField(primary_key=True)
    address = models.UUIDField(db_index=True)
    subject = models.UUIDField(db_index=True)
    is_open = models.BooleanField(default=False)
    reason = models.CharField(max_length=20, choices=Reason.choices, blank=True)
    # Whatever is sent to many must tell this person how to object (section 7(3) no. 4 UWG): the
    # engine refuses a message without it, whoever wrote it.
    needs_footer = models.BooleanField(default=False, db_default=False)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(is_open=True, reason="") | (Q(is_open=False) & ~Q(reason="")),
                name="a_closed_gate_says_why",
            )
        ]
        indexes = [
            models.Index(fields=["id"], name="gates_with_footer", condition=Q(needs_footer=True))
        ]


class InboundEvent(models.Model):
    """What a provider told us, once. The body is sealed under the key of its day."""

    class Kind(models.TextChoices):
        TEXT = "text"
        OPT_OUT = "opt_out"
        RECEIPT = "receipt"

    class Status(models.TextChoices):
        WAITING = "waiting"
        HANDLED = "handled"
        FAILED = "failed"

    id = models.BigAutoField(primary_key=True)
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+")
    ref = models.BinaryField(max_length=16)  # keyed hash of the provider's event id
    kind = models.CharField(max_length=8, choices=Kind.choices)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WAITING)
    received_at = models.DateTimeField()
    day = models.DateField()  # of the inbox key
    sealed = models.BinaryField(null=True)  # emptied when handled
    is_withdrawal = models.BooleanField(default=False)  # already applied inside the hook
    delivery = models.BigIntegerField(null=True)  # whose refusal told of it, instead of a body
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "ref"], name="an_event_counts_once")
        ]
        indexes = [
            models.Index(fields=["id"], name="events_waiting", condition=Q(status="waiting"))
        ]


class Dispatch(models.Model):
    """Something that leaves: frozen content for a number of recipients."""

    class Kind(models.TextChoices):
        BROADCAST = "broadcast", _("Broadcast")
        REPLY = "reply", _("Reply")
        CONFIRMATION = "confirmation", _("Double opt-in")
        ANSWER = "answer", _("Answer to a request")
        TEST = "test", _("Test")

    class Status(models.TextChoices):
        RUNNING = "running", _("Running")
        PAUSED = "paused", _("Paused")
        CANCELLED = "cancelled", _("Cancelled")
        EXPIRED = "expired", _("Expired")
        FINISHED = "finished", _("Finished")

    TRANSITIONS: ClassVar[dict[str, tuple[str, ...]]] = {
        Status.RUNNING: (Status.PAUSED, Status.CANCELLED, Status.EXPIRED, Status.FINISHED),
        Status.PAUSED: (Status.RUNNING, Status.CANCELLED, Status.EXPIRED),
        Status.FINISHED: (Status.RUNNING,),  # retry of what failed
        Status.CANCELLED: (),
        Status.EXPIRED: (),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)  # ordered by time
    kind = models.CharField(max_length=12, choices=Kind.choices)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    status_why = models.CharField(max_length=64, blank=True)
    priority = models.SmallIntegerField(
        default=0
    )  # higher first; replies 10, urgent 5, broadcasts 0
    content = (
        models.JSONField()
    )  # contract.Content as JSON: the same for everyone, nothing personal
    content_sha256 = models.CharField(max_length=64)
    newsletter = models.UUIDField(null=True)
    prepared = models.JSONField(
        default=dict
    )  # channel id -> what adapter.prepared() gave (media ids)
    values = models.JSONField(default=dict)  # placeholder values that are the same for everyone
    size = models.PositiveIntegerField(default=0)  # of the snapshot
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="dispatches_running", condition=Q(status="running")),
            models.Index(
                fields=["expires_at"],
                name="dispatches_expiring",
                condition=Q(status__in=["running", "paused"], expires_at__isnull=False),
            ),
        ]


class Batch(models.Model):
    """At most 256 deliveries of one dispatch on one channel: the unit of claiming and pausing.

    The lease, its fence token and the positions on the wire live here. A position is on the wire
    from the commit of its intent to the commit of its answer; if the lease ends in between, nobody
    can know, and exactly those positions become `in_doubt`.

    Whoever changes the status of a dispatch or channel, or a delivery outside the engine, locks the
    batches concerned first, in the order of their ids: that is what makes "cancelled" mean that no
    intent commits afterwards. `counts` is exact except while the batch is being worked on.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        WORKING = "working", _("Being sent")
        HELD = "held", _("Paused")
        DONE = "done", _("Done")

    id = models.BigAutoField(primary_key=True)
    dispatch = models.ForeignKey(Dispatch, on_delete=models.CASCADE, related_name="batches")
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveIntegerField()  # 1, 2, 3 … within the dispatch
    size = models.PositiveSmallIntegerField()
    priority = models.SmallIntegerField(default=0)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WAITING)
    due_at = models.DateTimeField()
    token = models.BigIntegerField(default=0)  # from the sequence messengers_fence
    lease_until = models.DateTimeField(null=True)
    on_wire = ArrayField(models.SmallIntegerField(), default=list)
    # Derived from the deliveries: state -> number, state|cause -> number, minute|state -> number.
    counts = models.JSONField(default=dict)
    causes = models.JSONField(default=dict, db_default={})
    minutes = models.JSONField(default=dict, db_default={})
    losses = models.PositiveSmallIntegerField(default=0)  # leases lost without a commit: poison

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(size__gte=1) & Q(size__lte=MAX_BATCH), name="a_batch_has_1_to_256"
            ),
            models.UniqueConstraint(fields=["dispatch", "number"], name="batches_are_numbered"),
            models.CheckConstraint(
                condition=Q(status="working", lease_until__isnull=False)
                | (~Q(status="working") & Q(lease_until__isnull=True)),
                name="only_work_has_a_lease",
            ),
        ]
        indexes = [
            models.Index(
                fields=["channel", "-priority", "due_at", "id"],
                name="batches_due",
                condition=Q(status="waiting"),
            ),
            models.Index(
                fields=["lease_until"], name="batches_leased", condition=Q(status="working")
            ),
        ]


class Delivery(models.Model):
    """One person a dispatch is meant for, and what became of it.

    SENDING is never stored: a queued row whose position is on its batch's wire is being sent.
    No foreign keys in the database: the snapshot's own SELECT guarantees them, and checking a
    million of them would take longer than writing them.

    In the database the table has one partition for each month of its dispatches, and the key is
    (id, dispatch_id). So a statement names the dispatches it is about wherever they are known:
    then only their months are looked at.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        SENDING = "sending", _("Being sent")
        ACCEPTED = "accepted", _("Accepted by the messenger")
        DELIVERED = "delivered", _("Delivered")
        READ = "read", _("Read")
        UNDELIVERED = "undelivered", _("Accepted, later not delivered")
        FAILED = "failed", _("Refused by the messenger")
        IN_DOUBT = "in_doubt", _("Perhaps sent")
        SUPPRESSED = "suppressed", _("Not sent, on purpose")
        CANCELLED = "cancelled", _("Cancelled before sending")
        EXPIRED = "expired", _("Too late to send")

    # The whole life of a delivery, docs/delivery.md. IN_DOUBT leaves only by evidence or a person.
    TRANSITIONS: ClassVar[dict[str, tuple[str, ...]]] = {
        Status.QUEUED: (
            Status.SENDING,
            Status.SUPPRESSED,
            Status.CANCELLED,
            Status.EXPIRED,
            Status.FAILED,
        ),
        Status.SENDING: (Status.ACCEPTED, Status.FAILED, Status.IN_DOUBT, Status.QUEUED),
        Status.IN_DOUBT: (
            Status.ACCEPTED,
            Status.DELIVERED,
            Status.READ,
            Status.UNDELIVERED,
            Status.FAILED,
            Status.QUEUED,
        ),
        Status.ACCEPTED: (Status.DELIVERED, Status.READ, Status.UNDELIVERED),
        Status.UNDELIVERED: (Status.DELIVERED, Status.READ),
        Status.DELIVERED: (Status.READ,),
        Status.READ: (),
        Status.FAILED: (Status.QUEUED,),  # retry of what failed, by a person
        Status.SUPPRESSED: (),
        Status.CANCELLED: (),
        Status.EXPIRED: (),
    }

    id = models.BigAutoField(primary_key=True)
    dispatch = models.ForeignKey(
        Dispatch,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="deliveries",
    )
    batch = models.ForeignKey(
        Batch,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="deliveries",
    )
    position = models.SmallIntegerField()  # 0 … 255 within the batch
    address = models.UUIDField()
    gate = models.UUIDField(null=True)  # none for replies: they answer a person who just wrote
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.QUEUED)
    cause = models.CharField(max_length=48, blank=True)  # why failed, suppressed or in doubt
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    provider_ref = models.BinaryField(max_length=16, null=True)  # keyed hash of the provider's id
    values_sealed = models.BinaryField(
        null=True
    )  # placeholder values of a reply; emptied when sent
    changed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["dispatch", "address"], name="one_delivery_per_address"
            ),
            models.UniqueConstraint(
                fields=["dispatch", "batch", "position"], name="one_delivery_per_position"
            ),
            models.CheckConstraint(condition=~Q(status="sending"), name="sending_is_never_stored"),
        ]
        indexes = [
            models.Index(
                fields=["provider_ref"],
                name="delivery_by_ref",
                condition=Q(provider_ref__isnull=False),
            ),
            models.Index(fields=["address"], name="delivery_by_address"),
        ]


class ReceiptGroup(models.Model):
    """Receipts of one POST on their way into their deliveries; nothing else of them is kept.

    One that comes before its answer was stored waits here and is tried again, for 7 days. The
    table has a partition for each day in the database; whole days are given up, counted before.
    The four arrays have one element for each receipt, which a check in the database looks after.
    """

    id = models.BigAutoField(primary_key=True)
    channel = models.UUIDField()
    at = models.DateTimeField()  # when it came to us
    next_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    size = models.PositiveIntegerField()
    # Where the provider echoes our attempt, and where it does not; neither: erased meanwhile.
    deliveries = ArrayField(models.BigIntegerField(null=True))
    refs = ArrayField(models.BinaryField(max_length=16, null=True))
    ranks = ArrayField(models.SmallIntegerField())
    causes = ArrayField(models.CharField(max_length=48))

    class Meta:
        indexes = [models.Index(fields=["next_at"], name="receipts_due")]


class Recount(models.Model):
    """Batches whose rows receipts have changed: each is counted anew, at most once a while."""

    batch = models.BigIntegerField(primary_key=True)
    dispatch = models.UUIDField()
    due_at = models.DateTimeField(db_default=Now())
    is_stale = models.BooleanField(default=True, db_default=True)


class Instance(models.Model):
    """Which installation this database belongs to; a copy does not send until a person says so."""

    epoch = models.UUIDField(default=uuid7)
    activated_at = models.DateTimeField(null=True)
    # Identifier, timeline and database number of the PostgreSQL cluster where the epoch began.
    cluster = models.CharField(max_length=64, blank=True)
    # How far this database has come, counted up together with the keystore's.
    generation = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_instance_row")]
