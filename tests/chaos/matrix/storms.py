"""The provider throttles everybody, or answers 500 for an hour."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.chaos.matrix.looking import Ticks, ask, ask_all
from tests.chaos.matrix.plant import LATENCY, Plant, plant
from tests.chaos.matrix.scenes import or_skip, short
from tests.chaos.scenarios import Seen, scenario

if TYPE_CHECKING:
    from tests.standins.http_provider import Provider

RETRY_AFTER = 2.0  # seconds, as the stand-in says
FAILED = "SELECT count(*) FROM messengers_delivery WHERE status = 'failed'"
ATTEMPTS = "SELECT coalesce(max(attempts), 0) FROM messengers_delivery WHERE status = 'queued'"
PAUSE = "SELECT paused_why, paused_until IS NOT NULL FROM messengers_channel WHERE id = %s"


@scenario(
    "C12",
    event="the provider answers 429 with Retry-After to every call for a while",
    promised="the channel rests as told, no attempt burned, 0 failed, other channels unaffected",
)
@or_skip
def throttled() -> Seen:
    seconds = short(20, 120)
    with plant(broker="redis", recipients=3000) as house:
        provider = provider_here(house, throttle=1.0)
        other = other_channel(house, 1500)
        house.start("sender", "sender2", "helper", "beat")
        house.broadcast()
        with Ticks(lambda: float(bool(ask(PAUSE, house.channel.id))), 0.2) as pauses:
            time.sleep(8)  # until everybody works
            before = provider.requests
            time.sleep(seconds)
            calls = provider.requests - before
        sent_elsewhere = other()
        attempts, failed = ask(ATTEMPTS), ask(FAILED)
        mend(provider)
        finished = house.until_finished(60)
        verdict = house.judged()
    rested = sum(value for _, value in pauses.seen) / max(1, len(pauses.seen))
    seen = (
        f"{seconds} s of 429: {calls} calls, {attempts} attempts burned, {failed} failed,"
        f" paused {rested:.0%} of the time, other channel sent {sent_elsewhere} of 1500; {verdict}"
    )
    ok = finished and verdict.is_clean and not verdict.doubts and attempts == failed == 0
    # After each rest a worker may find out again, with what its window then holds.
    return Seen(seen, ok and sent_elsewhere == 1500 and calls <= 4 * 128 * seconds / RETRY_AFTER)


def provider_here(house: Plant, **faults: Any) -> Provider:
    """The provider in this process, where its calls can be counted and its faults mended."""
    from messengers.models import Channel
    from tests.standins.http_provider import Faults, Provider, running

    house.programs.pop("provider").kill()
    provider = Provider(house.log, Faults(latency=LATENCY, **faults))
    url = house.stack.enter_context(running(provider))
    settings = house.channel.settings | {"base_url": url}
    Channel.objects.filter(id=house.channel.id).update(settings=settings)
    return provider


def mend(provider: Provider) -> None:
    from tests.standins.http_provider import Faults

    provider.faults = Faults(latency=LATENCY)


def other_channel(house: Plant, people: int) -> Callable[[], int]:
    """A second channel whose provider is well, and a dispatch there: how many it has accepted."""
    from messengers.models import Delivery
    from tests.messengers.house import make_channel, make_dispatch, make_people
    from tests.standins.http_provider import TOKEN, Provider, running

    url = house.stack.enter_context(running(Provider()))
    channel = make_channel(
        settings={"base_url": url, "bulk": 1}, secrets={"token": TOKEN}, rate_per_second=300
    )
    gates = [gate for _, gate in make_people(channel, people, first=500_000)]
    dispatch = make_dispatch(gates, kind="answer")
    return lambda: Delivery.objects.filter(dispatch=dispatch, status="accepted").count()


@scenario(
    "C13",
    event="the provider answers a bare 500 to every call",
    promised="the circuit opens after about 20 doubts, the broadcast pauses itself, an alert",
)
@or_skip
def broken() -> Seen:
    seconds = short(40, 240)
    with plant(broker="redis", recipients=5000, rate=200) as house:
        provider = provider_here(house, server_error=1.0)
        house.start("sender", "sender2", "helper", "beat")
        house.broadcast()
        time.sleep(seconds)
        doubts = ask("SELECT count(*) FROM messengers_delivery WHERE status = 'in_doubt'")
        status, why = ask_all(
            "SELECT status, status_why FROM messengers_dispatch WHERE id = %s", house.dispatch.id
        )[0]
        alerts = sum(
            json.loads(line).get("event") == "circuit_opened"
            for log in house.folder.glob("*.log")
            for line in log.read_text().splitlines()
            if line.startswith("{")
        )
        mend(provider)
        close_circuit(house)
        finished = house.until_finished(120)
        verdict = house.judged()
    seen = (
        f"{seconds} s of 500: {doubts} of 5000 in doubt, broadcast {status} ({why}),"
        f" {alerts} alerts; after the mend and an operator's word: {verdict}"
    )
    # What was in flight in two workers when the 20th came back cannot be called back.
    ok = status == "paused" and why == "too_many_doubts" and alerts >= 1 and doubts <= 20 + 2 * 128
    return Seen(seen, ok and finished and verdict.is_clean and verdict.arrived == 5000 - doubts)


def close_circuit(house: Plant) -> None:
    """As an operator does on the page of the broadcast, who knows that the provider is mended."""
    from messengers.outbox import resume

    resume(house.dispatch.id)
