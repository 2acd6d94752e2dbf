"""What an installation needs, from ten thousand subscribers to a hundred million.

    python -m tests.scaling.plan

Pure arithmetic on measured costs (costs.json): prints the tables of docs/scaling.md exactly as they
stand there. Change a cost or an assumption, run it, and put what it prints into the page.
"""

import json
from dataclasses import dataclass, fields
from math import ceil
from pathlib import Path

from config.embedded.plan import WEB_THREADS

SIZES = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
BROADCASTS_A_DAY = 3  # to everybody: the default cap of each person
WINDOW_SECONDS = 30 * 60  # within which a broadcast is to have left
RECEIPTS = 3  # for each message
KEPT_DAYS = 120  # of deliveries: 90, and then whole calendar months go
IN_FLIGHT_SECONDS = 0.2  # what a messenger takes to answer
WINDOW = 256  # calls in flight of one worker, at least
LOAD = 0.6  # of a core, that is planned with
CORES_PER_PRIMARY = 16  # of one PostgreSQL server, planned with
CORES_PER_HOST = 8  # of a worker or web host
WAL_PER_PRIMARY = 80e6  # bytes per second that one server writes and ships without trouble
KEPT_PER_PRIMARY = 2e12  # bytes: a restore at 200 MB/s then takes three hours
COSTS = Path(__file__).with_name("costs.json")
# What one account of a messenger lets through, in messages per second.
ACCOUNTS = (
    ("Telegram bot", 30),
    ("WhatsApp number", 80),
    ("WhatsApp number, after its upgrade", 1_000),
    ("Messenger page", 300),
)


@dataclass(frozen=True)
class Costs:
    """CPU in microseconds, sizes in bytes unless the name says otherwise."""

    source: str
    send_worker_us: float
    send_database_us: float
    snapshot_us: float
    receipt_hook_us: float
    receipt_merge_us: float
    delivery_bytes: float
    wal_bytes_per_message: float
    wal_bytes_per_receipt: float
    worker_megabytes: float


@dataclass(frozen=True)
class Need:
    """What one size needs."""

    subscribers: int
    messages_per_second: float
    worker_cores: int
    workers: int
    web_cores: int
    database_cores: int
    hosts: int
    primaries: int
    connections: int
    wal_a_day: float
    kept_bytes: float
    snapshot_seconds: float
    bottleneck: str


def read_costs(path: Path = COSTS) -> Costs:
    given = json.loads(path.read_text(encoding="utf-8"))
    return Costs(**{field.name: given[field.name] for field in fields(Costs)})


def need(subscribers: int, costs: Costs) -> Need:
    """One size: a broadcast to everybody, sent within the window, receipts coming in meanwhile."""
    rate = subscribers / WINDOW_SECONDS
    workers = max(2, ceil(rate * IN_FLIGHT_SECONDS / WINDOW), _cores(rate, costs.send_worker_us))
    web = max(1, _cores(rate * RECEIPTS, costs.receipt_hook_us))
    merge = RECEIPTS * costs.receipt_merge_us
    database = max(1, _cores(rate, costs.send_database_us + merge))
    wal = costs.wal_bytes_per_message + RECEIPTS * costs.wal_bytes_per_receipt
    messages = subscribers * BROADCASTS_A_DAY
    kept = messages * KEPT_DAYS * costs.delivery_bytes
    primaries = max(
        ceil(database / CORES_PER_PRIMARY),
        ceil(rate * wal / WAL_PER_PRIMARY),
        ceil(kept / KEPT_PER_PRIMARY),
    )
    return Need(
        subscribers=subscribers,
        messages_per_second=rate,
        worker_cores=max(1, _cores(rate, costs.send_worker_us)),
        workers=workers,
        web_cores=web,
        database_cores=database,
        hosts=_hosts(max(1, _cores(rate, costs.send_worker_us)), web, database, primaries),
        primaries=primaries,
        connections=2 * (workers + WEB_THREADS * web),
        wal_a_day=messages * wal,
        kept_bytes=kept,
        snapshot_seconds=subscribers * costs.snapshot_us / 1e6 / primaries,
        bottleneck=_bottleneck(rate, web, primaries),
    )


def _cores(per_second: float, microseconds: float) -> int:
    return ceil(per_second * microseconds / 1e6 / LOAD)


def _hosts(workers: int, web: int, database: int, primaries: int) -> int:
    """One machine as long as it holds everything; then PostgreSQL stands apart, with its keys."""
    if workers + web + database <= CORES_PER_HOST:
        return 1
    return ceil((workers + web) / CORES_PER_HOST) + 2 * primaries


def _bottleneck(rate: float, web: int, primaries: int) -> str:
    """What has to be made larger first, in the order in which it comes."""
    if primaries > 1:
        return "one primary: shard by newsletter"
    if web >= CORES_PER_HOST:
        return "receipts: web cores"
    largest = max(limit for _, limit in ACCOUNTS)
    if rate > largest:
        return "the messenger, even upgraded: several numbers"
    if rate > min(limit for _, limit in ACCOUNTS):
        return "the messenger's rate"
    return "nothing"


# --- The tables ---


def table_of_sizes(costs: Costs) -> str:
    head = (
        "subscribers", "messages/s", "worker cores", "workers", "web cores", "database cores",
        "hosts", "primaries", "connections", "WAL a day", "kept", "snapshot", "bottleneck",
    )  # fmt: skip
    rows = [_row_of(need(size, costs)) for size in SIZES]
    return _table(head, rows)


def _row_of(one: Need) -> tuple[str, ...]:
    return (
        f"{one.subscribers:,}",
        f"{one.messages_per_second:,.0f}",
        *(f"{number:,}" for number in (one.worker_cores, one.workers, one.web_cores)),
        *(f"{number:,}" for number in (one.database_cores, one.hosts, one.primaries)),
        f"{one.connections:,}",
        size_of(one.wal_a_day),
        size_of(one.kept_bytes),
        span_of(one.snapshot_seconds),
        one.bottleneck,
    )


def table_of_times() -> str:
    """How long one broadcast takes through one account, whatever we do; accounts for the window."""
    head = ("subscribers", *(f"{name} ({rate}/s)" for name, rate in ACCOUNTS))
    rows = [
        (f"{size:,}", *(f"{span_of(size / rate)}, {_accounts(size, rate)}" for _, rate in ACCOUNTS))
        for size in SIZES
    ]
    return _table(head, rows)


def _accounts(size: int, rate: int) -> str:
    return f"{ceil(size / (rate * WINDOW_SECONDS)):,}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def size_of(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} PB"


def span_of(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{max(seconds, 0.1):.1f} s"


def tables() -> str:
    """Both, as the page has them."""
    costs = read_costs()
    return f"{table_of_sizes(costs)}\n\n{table_of_times()}"


if __name__ == "__main__":
    print(tables())
