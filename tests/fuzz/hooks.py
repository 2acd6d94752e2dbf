"""Throw broken, twisted and forged hooks at the door: no error of ours, and no forgery taken.

    python -m tests.fuzz.hooks --bodies 1000000 --seed 1

Every messenger of the house is tried, with its recorded payloads as a beginning. Some calls are
signed as they should be, however broken their body; all others are forged in one of many ways.
What is taken is counted here instead of stored, so that a million takes minutes; the suite stores.
"""

import argparse
import io
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch
from uuid import UUID

SECRET = "hook-secret-0123456789"
OTHER_SECRET = "hook-secret-9876543210"
SHOWN = 10
BLOCK = 20  # calls of one kind, honest or forged, between two looks at what has been stored
# Taken: stored, unreadable, too large, or "again later". Forged: refused, whatever else is wrong.
HONEST, FORGED = frozenset({200, 400, 413}), frozenset({403, 413})
BYTES = (b"\x00", b"\xff", b"{", b"[", b'"', b"\\", b"\r\n", b"\xed\xa0\x80", b"e" * 99, b"9" * 400)
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 1e308, 2**63, "", "\x00", "é" * 3000, [], {}, [[]], {"id": {}}, "0" * 48),
    *("STOP", "9" * 400, "2026-13-45T99:00", "+4917604069001", "\ud7ff", {"type": "receipt"}),
)


@dataclass
class Outcome:
    """What came of some calls."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    stored_by_forgers: int = 0

    @property
    def is_well(self) -> bool:
        return not self.wrong and not self.stored_by_forgers


@dataclass
class Target:
    """One channel and bodies that its provider might send."""

    channel: UUID
    kind: str
    bodies: list[bytes]


class Fuzz:
    """Makes calls from a seed; the same seed makes the same calls."""

    def __init__(self, targets: list[Target], seed: int) -> None:
        self.targets = targets
        self.random = random.Random(seed)
        self.serial = 0

    def calls(self, number: int) -> Iterator[tuple[dict[str, Any], bool]]:
        """(the call as the web server hands it over, whether its signature is good)"""
        for _ in range(number):
            self.serial += 1
            target = self.random.choice(self.targets)
            body = self.twisted(target, self.random.choice(target.bodies))
            is_honest = self.serial // BLOCK % 2 == 0
            headers = self.honest(body) if is_honest else self.forged(target, body)
            yield self.environ(target, headers, body), is_honest

    def environ(self, target: Target, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        named = {f"HTTP_{name.upper().replace('-', '_')}": v for name, v in headers.items()}
        return {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": f"/hooks/{target.channel}/",
            "QUERY_STRING": self.random.choice(["", "", "a=b&&%zz", "hub.mode=subscribe"]),
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": self.random.choice(["application/json", "", "message/rfc822", "\xff"]),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            **named,
        }

    # --- Bodies ---

    def twisted(self, target: Target, body: bytes) -> bytes:
        ways: list[Callable[[bytes], bytes]] = [self.same, self.cut, self.flipped, self.stuffed]
        if target.kind != "email":
            ways += [self.restructured, self.restructured, self.deep]
        for _ in range(self.random.randrange(1, 4)):
            body = self.random.choice(ways)(body)
        return body

    def same(self, body: bytes) -> bytes:
        return body

    def cut(self, body: bytes) -> bytes:
        start, end = sorted(self.random.randrange(len(body) + 1) for _ in range(2))
        return body[:start] if self.random.random() < 0.5 else body[:start] + body[end:]

    def flipped(self, body: bytes) -> bytes:
        raw = bytearray(body)
        for _ in range(self.random.randrange(1, 6)):
            if raw:
                raw[self.random.randrange(len(raw))] = self.random.randrange(256)
        return bytes(raw)

    def stuffed(self, body: bytes) -> bytes:
        place = self.random.randrange(len(body) + 1)
        return body[:place] + self.random.choice(BYTES) + body[place:]

    def restructured(self, body: bytes) -> bytes:
        """Some value of a JSON body replaced by one that does not belong there."""
        import orjson

        try:
            whole = orjson.loads(body)
            self._replace(whole)
            return orjson.dumps(whole)
        except (orjson.JSONDecodeError, orjson.JSONEncodeError, TypeError):
            return body

    def _replace(self, value: Any) -> None:
        while isinstance(value, dict | list) and value:
            key = self.random.choice(list(value) if isinstance(value, dict) else range(len(value)))
            if self.random.random() < 0.4 or not isinstance(value[key], dict | list):
                value[key] = self.random.choice(VALUES)
                return
            value = value[key]

    def deep(self, body: bytes) -> bytes:
        if self.random.random() < 0.98:
            return body
        return b'{"events":' + b"[" * self.random.choice([10, 2_000, 100_000])

    # --- Signatures ---

    def honest(self, body: bytes) -> dict[str, str]:
        from messengers.signature import signed_headers

        return signed_headers(SECRET, f"call-{self.serial}", body)

    def forged(self, target: Target, body: bytes) -> dict[str, str]:
        """Headers that nobody who knows the secret would send with this body."""
        from messengers.signature import sign, signed_headers

        good, now = self.honest(body), int(time.time())
        signature = good["webhook-signature"]
        return self.random.choice(
            [
                dict,
                lambda: signed_headers(OTHER_SECRET, "call", body),
                lambda: signed_headers(SECRET, "call", body + b" "),
                lambda: {**good, "webhook-id": "another"},
                lambda: {**good, "webhook-timestamp": str(now - 10)},
                lambda: {**good, "webhook-timestamp": f"{now}\u0661"},
                lambda: {**good, "webhook-signature": ""},
                lambda: {**good, "webhook-signature": signature.lower()},
                lambda: {**good, "webhook-signature": signature[:-2] + "\xff\xff"},
                lambda: {**good, "webhook-signature": f"v1,{signature}"},
                lambda: {**good, "webhook-signature": signature + " "},
                lambda: self._old(sign, body, now - 3_600),
                lambda: self._old(sign, body, now + 3_600),
                lambda: {name: value for name, value in good.items() if name != "webhook-id"},
            ]
        )()

    def _old(self, sign: Callable[..., str], body: bytes, at: int) -> dict[str, str]:
        return {
            "webhook-id": "old",
            "webhook-timestamp": str(at),
            "webhook-signature": sign(SECRET, "old", at, body),
        }


def throw(fuzz: Fuzz, number: int, stored: Callable[[], int]) -> Outcome:
    """Throw so many; `stored` tells how much has been stored, before and after forged ones."""
    from messengers import door

    outcome = Outcome()
    before, was_honest = stored(), False
    for environ, is_honest in fuzz.calls(number):
        if is_honest != was_honest:
            outcome.stored_by_forgers += 0 if was_honest else stored() - before
            before, was_honest = stored(), is_honest
        status = door.answer(environ)
        outcome.statuses[f"{'honest' if is_honest else 'forged'} {status}"] += 1
        if status not in (HONEST if is_honest else FORGED) and len(outcome.wrong) < SHOWN:
            outcome.wrong.append(f"call {fuzz.serial}: {status}, honest: {is_honest}")
    outcome.stored_by_forgers += 0 if was_honest else stored() - before
    return outcome


def targets(channels: dict[str, UUID]) -> list[Target]:
    """The recorded payloads of each messenger, for its channel."""
    from tests.messengers.payloads.cases import CASES

    return [
        Target(channels[case.kind], case.kind, [case.payload(name) for name in sorted(case.hooks)])
        for case in CASES.values()
    ]


@contextmanager
def counted(seconds: float = 10_000.0) -> Iterator[tuple[dict[str, UUID], Counter[str]]]:
    """The door without a database: channels that it remembers, and a count of what it stores."""
    from dataclasses import replace
    from types import SimpleNamespace

    from messengers import door, inbox
    from messengers.registry import adapter_for
    from privacy.ids import uuid7
    from tests.messengers.payloads.cases import CASES

    taken: Counter[str] = Counter()
    channels: dict[str, UUID] = {}
    door._KNOWN.seconds = 2 * seconds
    for case in CASES.values():
        channel = channels[case.kind] = uuid7()
        account = replace(case.account(), id=channel, secrets={"hook_secret": SECRET})
        row: Any = SimpleNamespace(id=channel, pk=channel, kind=case.kind)
        door._KNOWN.put(channel, door.Known(row, adapter_for(account)))

    def alone(*_args: object) -> int:
        taken["alone"] += 1
        return 200

    with (
        patch.object(door.GROUPS, "commit", lambda part: taken.update(together=1)),
        patch.object(inbox, "store_alone", alone),
        patch.object(door, "_sealer", lambda day: lambda where, plaintext: plaintext),
    ):
        yield channels, taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bodies", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.monotonic()
    with counted() as (channels, taken):
        fuzz = Fuzz(targets(channels), given.seed)
        outcome = throw(fuzz, given.bodies, lambda: sum(taken.values()))
    seconds = time.monotonic() - began
    print(f"{given.bodies:,} calls, seed {given.seed}, {seconds:.0f} s")
    for name, number in sorted(outcome.statuses.items()):
        print(f"  {name:12} {number:>12,}")
    print(f"  taken: {dict(taken)}; by forgers: {outcome.stored_by_forgers}")
    for line in outcome.wrong:
        print(f"  WRONG {line}")
    return 0 if outcome.is_well else 1


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings_test")
    import logging

    import django
    from django.conf import settings

    django.setup()
    logging.disable(logging.CRITICAL)
    settings.INBOUND = "tests.messengers.inbound_double"
    sys.exit(main())
