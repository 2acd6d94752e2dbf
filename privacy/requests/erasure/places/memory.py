"""What a Redis or Valkey server keeps for us: queue, results of tasks, cache.

Other brokers give a message only to whoever takes it away: they cannot be read, and are named so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from privacy.requests.erasure.places.base import Look, Seekers, Whose

KEYS_AT_A_TIME = 500
SCHEMES = ("redis://", "rediss://", "unix://", "valkey://")


@dataclass(frozen=True)
class Memory:
    """One database of a server; the cursor of its SCAN is the position."""

    kind: str
    url: str

    @property
    def name(self) -> str:
        return f"redis {self.kind}"

    def size(self) -> int:
        return int(self._client().info("memory").get("used_memory_dataset", 0))

    def look(self, at: str, seekers: Seekers) -> Look:
        client = self._client()
        cursor, keys = client.scan(int(at or 0), count=KEYS_AT_A_TIME)
        found: set[Whose] = set()
        size = 0
        for key in keys:
            hits, length = _look_into(client, key, seekers)
            found |= hits
            size += length
        return Look(frozenset(found), str(cursor) if cursor else None, size)

    def remove(self, seekers: Seekers) -> int:
        """Delete every key whose content holds what is sought; how many there were."""
        client = self._client()
        keys = [key for key in client.scan_iter() if _look_into(client, key, seekers)[0]]
        return int(client.delete(*keys)) if keys else 0

    def _client(self) -> Any:
        import redis  # installed by whoever uses such a server

        return redis.Redis.from_url(self.url.replace("valkey://", "redis://", 1))


def memories() -> Iterator[Memory]:
    """The servers that the settings name, each once."""
    seen: set[str] = set()
    for kind, url in _named():
        if url.startswith(SCHEMES) and url not in seen:
            seen.add(url)
            yield Memory(kind, url)


def _named() -> Iterator[tuple[str, str]]:
    yield "queue", str(settings.CELERY_BROKER_URL)
    yield "results", str(settings.CELERY_RESULT_BACKEND or "")
    cache = settings.CACHES["default"]
    if "redis" in cache["BACKEND"].lower():
        locations = cache["LOCATION"]
        for url in [locations] if isinstance(locations, str) else locations:
            yield "cache", str(url)


def _look_into(client: Any, key: bytes, seekers: Seekers) -> tuple[set[Whose], int]:
    contents = [key, *_values(client, key)]
    found = {whose for content in contents for whose in seekers.finder.in_bytes(content)}
    return found, sum(map(len, contents))


def _values(client: Any, key: bytes) -> Iterator[bytes]:
    """Whatever stands under a key, of whatever type it is."""
    kind = client.type(key)
    if kind == b"string":
        yield client.get(key) or b""
    elif kind == b"list":
        yield from client.lrange(key, 0, -1)
    elif kind == b"set":
        yield from client.smembers(key)
    elif kind == b"zset":
        yield from client.zrange(key, 0, -1)
    elif kind == b"hash":
        for field, value in client.hgetall(key).items():
            yield from (field, value)
    elif kind == b"stream":
        for _id, entry in client.xrange(key):
            yield from (part for pair in entry.items() for part in pair)
