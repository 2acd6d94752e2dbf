"""How often somebody may guess: passwords, codes, tokens and links, counted in one place.

One statement counts and decides, so a thousand guesses at once cannot slip past it. Neither success
nor a restart resets a counter, only time. Counters hang on keyed hashes of the account and of the
network, never on the names themselves.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from django.db import connection
from django.utils import timezone

from privacy.vault import keyed_hash

V4_PREFIX, V6_PREFIX = 24, 56  # what one subscriber of a provider usually has

COUNT = """
    INSERT INTO privacy_guesscounter AS known (key, window_start, count) VALUES (%s, %s, 1)
    ON CONFLICT (key) DO UPDATE SET
        count = CASE WHEN known.window_start <= %s THEN 1 ELSE known.count + 1 END,
        window_start = CASE WHEN known.window_start <= %s THEN %s ELSE known.window_start END
    RETURNING count"""


@dataclass(frozen=True)
class Limit:
    """So many guesses in a window that begins with the first of them."""

    guesses: int
    window: timedelta = timedelta(minutes=15)


PER_ACCOUNT = Limit(20)
PER_NETWORK = Limit(100)


def may_guess(what: str, *, account: str = "", ip: str = "") -> bool:
    """Count one guess at `what`, and say whether it may be looked at.

    `account` is what is guessed for, such as an e-mail address; `ip` is where the guess comes from.
    Each has its own counter, and both are counted even when one is already full.
    """
    verdicts = []
    if account:
        verdicts.append(_count(f"{what}|account|{account}", PER_ACCOUNT))
    if ip:
        verdicts.append(_count(f"{what}|network|{network_of(ip)}", PER_NETWORK))
    return all(verdicts)


def network_of(ip: str) -> str:
    """The network an address belongs to: one person changes addresses in it at will."""
    address = ip_address(ip)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    prefix = V4_PREFIX if address.version == 4 else V6_PREFIX
    return str(ip_network(f"{address}/{prefix}", strict=False))


def forget_old(now: datetime) -> int:
    """Delete counters whose window is over; how many."""
    with connection.cursor() as cursor:
        oldest = now - max(PER_ACCOUNT.window, PER_NETWORK.window)
        cursor.execute("DELETE FROM privacy_guesscounter WHERE window_start <= %s", [oldest])
        return int(cursor.rowcount)


def _count(key: str, limit: Limit) -> bool:
    now = timezone.now()
    over = now - limit.window
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [keyed_hash("guess", key), now, over, over, now])
        return int(cursor.fetchone()[0]) <= limit.guesses
