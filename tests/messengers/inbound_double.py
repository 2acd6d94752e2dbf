"""Stands in for `config.inbound`: notes what it was told, and can be made to fail."""

from collections.abc import Sequence

from messengers.addresses import find_address
from messengers.contract import OptOutEvent, TextEvent
from messengers.gates import close_gates
from messengers.models import Channel, Gate, InboundEvent

withdrawn: list[str] = []
handled: list[str] = []
broken: set[str] = set()  # texts that make the handler fail


def forget() -> None:
    withdrawn.clear()
    handled.clear()
    broken.clear()


def may_withdraw(channel: Channel, event: TextEvent) -> bool:
    return event.text == "STOP"


def withdraw_now(channel: Channel, events: Sequence[TextEvent | OptOutEvent]) -> set[str]:
    refs = set()
    for event in events:
        if isinstance(event, TextEvent) and event.text != "STOP":
            continue
        if isinstance(event, TextEvent) and "STOP" in broken:
            raise ValueError(f"secret {event.sender}")
        address = find_address(channel, event.sender)
        if address:
            close_gates(address_id=address.id, reason=Gate.Reason.WITHDRAWN)
        withdrawn.append(event.sender)
        refs.add(event.ref)
    return refs


def handle(event: InboundEvent, opened: TextEvent | OptOutEvent) -> None:
    if isinstance(opened, OptOutEvent):
        withdraw_now(event.channel, [opened])
    elif opened.text in broken:
        raise ValueError(f"secret {opened.sender} {opened.text}")
    else:
        handled.append(opened.text)
