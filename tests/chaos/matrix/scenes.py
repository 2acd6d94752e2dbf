"""What the scenarios of this folder share."""

from __future__ import annotations

import functools
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.chaos.matrix.looking import Missing
from tests.chaos.scenarios import Seen

if TYPE_CHECKING:
    from tests.chaos.matrix.plant import Plant


def short(normal: int, long: int) -> int:
    """How much: `MATRIX_LONG=1` plays the long form."""
    return long if os.environ.get("MATRIX_LONG") else normal


def or_skip(play: Callable[[], Seen]) -> Callable[[], Seen]:
    """A scenario that this machine cannot play says by name what is missing."""

    @functools.wraps(play)
    def played() -> Seen:
        try:
            return play()
        except Missing as what:
            return Seen(f"not played here: {what}", None)

    return played


def said(house: Plant, sender: str, text: str, ref: str, *, seconds: float = 20.0) -> int:
    """Somebody writes to us by the messenger's hook: the HTTP status; 0 if nobody answered."""
    from messengers.signature import signed_headers

    event = {"type": "text", "id": ref, "at": "2026-11-21T20:00:00+00:00"}
    body = json.dumps({"events": [event | {"from": sender, "text": text}]}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{house.port}/hooks/{house.channel.id}/",
        body,
        signed_headers("h" * 32, ref, body) | {"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def is_withdrawn(number: int) -> bool:
    """Whether the person with this number (tests.messengers.house.phone) has closed gates only."""
    from messengers.addresses import digest_of
    from messengers.models import AddressIndex, Channel, Gate
    from tests.messengers.house import phone

    channel = Channel.objects.get()
    address = AddressIndex.objects.get(digest=digest_of(channel.id, phone(number))).address_id
    return not Gate.objects.filter(address=address, is_open=True).exists()
