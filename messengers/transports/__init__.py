"""Carrying requests out: many at once, and honest about what may have left this machine.

A transport yields a response, `NotSent` (nothing left: trying again is harmless) or `Lost`
(something may have left). It never repeats a request by itself once a byte may be on its way.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from messengers.contract import Adapter, HttpRequest, Outcome, Request
from messengers.transports.http import HttpTransport
from messengers.transports.smtp import SmtpTransport


class Transport(Protocol):
    """A window of calls in flight. One thread uses it; it is made after the fork."""

    def submit(self, key: Hashable, request: Request, timeout: float) -> None:
        """Start a call; `poll` gives its outcome under `key`, at most `timeout` seconds later.

        Whatever this raises, nothing of the call has left or will leave.
        """

    def poll(self, wait: float) -> list[tuple[Hashable, Outcome]]:
        """The outcomes that are there; waits up to `wait` seconds for the first one."""

    @property
    def in_flight(self) -> int:
        """Calls submitted whose outcome has not been polled yet."""

    def close(self) -> None:
        """End all connections. Outcomes not yet polled are gone: settle them first."""


def transport_for(adapter: Adapter) -> Transport:
    """A new transport of the adapter's kind; the caller keeps and closes it."""
    if adapter.transport == "smtp":
        return SmtpTransport(adapter.smtp_server())
    return HttpTransport()


def call(request: HttpRequest, timeout: float) -> Outcome:
    """One HTTP call on its own, for commands and pages; waits for its outcome."""
    transport = HttpTransport()
    try:
        transport.submit("call", request, timeout)
        while not (done := transport.poll(timeout)):
            pass
        return done[0][1]
    finally:
        transport.close()


__all__ = ["HttpTransport", "SmtpTransport", "Transport", "call", "transport_for"]
