"""SMTP through a few threads, each with one connection that carries many mails.

Until the server has said "go on" to DATA nothing of a mail has left, and trying again is harmless.
From then on a broken line is `Lost`: nobody can say whether the final dot arrived. So is an answer
that is neither yes nor no; a line on which one was heard may be an answer behind and is given up.
"""

from __future__ import annotations

import base64
import contextlib
import os
import queue
import re
import smtplib
import ssl
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, field

import certifi
import structlog

from messengers.contract import (
    Lost,
    NotSent,
    Outcome,
    Request,
    SmtpRequest,
    SmtpResponse,
    SmtpServer,
)

log = structlog.get_logger("jawort.smtp")

CONNECT_TIMEOUT = 10.0  # seconds
IDLE_MAX = 10.0  # seconds a connection waits for the next mail before it says QUIT
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)
_UNSAFE = re.compile(r"[\s<>\x00-\x1f\x7f]")


class _NotUnderstood(smtplib.SMTPException):
    """The server said what the protocol does not allow at this point."""


@dataclass(slots=True)
class _Job:
    """One mail on its way through the queue. `state`: waiting, running, sending, over.

    Up to `sending` nothing of it has left.
    """

    key: Hashable
    request: SmtpRequest
    deadline: float
    state: str = "waiting"
    lock: threading.Lock = field(default_factory=threading.Lock)

    def move(self, old: str, new: str) -> bool:
        """Change the state if it is still `old`: only one of worker and waiter wins."""
        with self.lock:
            if self.state != old:
                return False
            self.state = new
            return True

    def stop(self) -> bool:
        """Keep the mail from leaving; False if it may have left already."""
        return self.move("waiting", "over") or self.move("running", "over")


class SmtpTransport:
    """A window of mails to one submission server."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._pid = 0
        self._pending: dict[Hashable, _Job] = {}
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[_Job, Outcome]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, key: Hashable, request: Request, timeout: float) -> None:
        """Queue a mail. Raises `TypeError` or `ValueError` for what cannot be one of ours.

        Whatever it raises, the mail is then not in the queue.
        """
        if not isinstance(request, SmtpRequest):
            raise TypeError("The SMTP transport carries SmtpRequest only.")
        if _UNSAFE.search(request.mail_from) or _UNSAFE.search(request.rcpt):
            raise ValueError("An envelope address holds a space, a bracket or a line end.")
        self._ensure_open()
        self._ensure_threads(len(self._pending) + 1)
        job = _Job(key, request, time.monotonic() + timeout)
        self._pending[key] = job
        self._jobs.put(job)

    def poll(self, wait: float) -> list[tuple[Hashable, Outcome]]:
        """The outcomes that are there; waits up to `wait` seconds for the first one."""
        until = time.monotonic() + wait
        while self._pending:
            done = [*self._arrived(), *self._overdue()]
            now = time.monotonic()
            if done or now >= until:
                return done
            first = min(job.deadline for job in self._pending.values())
            with contextlib.suppress(queue.Empty):
                arrived = self._done.get(timeout=max(0.001, min(until, first) - now))
                if self._settle(arrived[0]):
                    return [(arrived[0].key, arrived[1]), *self._arrived()]
        return []

    @property
    def in_flight(self) -> int:
        return len(self._pending)

    def close(self) -> None:
        """Say QUIT on all connections, after the mails that are on the wire."""
        for job in self._pending.values():
            job.stop()
        for _ in self._threads:
            self._jobs.put(None)
        if self._pid == os.getpid():
            for thread in self._threads:
                thread.join(timeout=2)
        self._threads, self._pending, self._pid = [], {}, 0

    def _ensure_open(self) -> None:
        """Threads do not survive a fork: a child begins with none."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._threads, self._pending = [], {}
            self._jobs, self._done = queue.SimpleQueue(), queue.SimpleQueue()

    def _ensure_threads(self, mails: int) -> None:
        """One more thread if this many mails can use one; a thread that ended does not count."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        if len(self._threads) < min(self._server.connections, mails):
            worker = _Worker(self._server, self._jobs, self._done)
            thread = threading.Thread(target=worker.run, name="smtp", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _settle(self, job: _Job) -> bool:
        """Take the job off the list; False if its time ran out before and that was told."""
        return self._pending.pop(job.key, None) is job

    def _arrived(self) -> list[tuple[Hashable, Outcome]]:
        arrived: list[tuple[Hashable, Outcome]] = []
        with contextlib.suppress(queue.Empty):
            while True:
                job, outcome = self._done.get_nowait()
                if self._settle(job):
                    arrived.append((job.key, outcome))
        return arrived

    def _overdue(self) -> list[tuple[Hashable, Outcome]]:
        """Mails whose time is over: one that has not left yet never will."""
        now = time.monotonic()
        late: list[tuple[Hashable, Outcome]] = []
        for job in [job for job in self._pending.values() if job.deadline <= now]:
            del self._pending[job.key]
            if job.stop():
                late.append((job.key, NotSent("timeout")))
            else:
                late.append((job.key, Lost("timeout")))
        return late


class _Worker:
    """One thread with one connection."""

    def __init__(
        self,
        server: SmtpServer,
        jobs: queue.SimpleQueue[_Job | None],
        done: queue.SimpleQueue[tuple[_Job, Outcome]],
    ) -> None:
        self.server = server
        self.jobs = jobs
        self.done = done
        self.smtp: smtplib.SMTP | None = None
        self.sent = 0

    def run(self) -> None:
        while True:
            try:
                job = self.jobs.get(timeout=IDLE_MAX)
            except queue.Empty:
                self.quit()
                continue
            if job is None:
                self.quit()
                return
            if job.move("waiting", "running"):
                self.done.put((job, self.outcome(job)))

    def outcome(self, job: _Job) -> Outcome:
        """Send one mail. A kept connection that turns out dead before DATA is replaced once."""
        kept = self.smtp is not None
        result = self.attempt(job)
        if kept and isinstance(result, NotSent) and self.smtp is None:
            result = self.attempt(job)
        return result

    def attempt(self, job: _Job) -> Outcome:
        try:
            refused = self.connect(job.deadline) or self.envelope(job)
        except ssl.SSLError as error:
            self.drop()
            return NotSent(f"tls: {error.reason or type(error).__name__}")
        except Exception as error:
            self.drop()
            return NotSent(_cause(error))
        if refused:
            return refused
        if not job.move("running", "sending"):
            self.drop()
            return NotSent("timeout")
        return self.content(job)

    def connect(self, deadline: float) -> SmtpResponse | None:
        """Open and sign in if needed. A response is the server's refusal (or ours, for no TLS)."""
        if self.smtp is not None:
            self.limit(deadline)
            return None
        server = self.server
        if server.security == "plain" and not (server.host in LOOPBACK or server.plain_allowed):
            # Said in SMTP's own words, so that it counts as a wrong setting and stops the channel.
            return SmtpResponse(530, "5.7.0", "Plain text to another machine is switched off.")
        timeout = max(0.1, min(CONNECT_TIMEOUT, deadline - time.monotonic()))
        try:
            return self.open(timeout)
        except smtplib.SMTPResponseException as error:
            self.drop()
            return _refusal(error.smtp_code, error.smtp_error)
        except smtplib.SMTPNotSupportedError:
            self.drop()
            return SmtpResponse(530, "5.7.0", "The server offers no way to sign in.")

    def open(self, timeout: float) -> SmtpResponse | None:
        server = self.server
        if server.security == "tls":
            self.smtp = smtplib.SMTP_SSL(
                server.host, server.port, server.ehlo, timeout=timeout, context=self.context()
            )
        else:
            self.smtp = smtplib.SMTP(server.host, server.port, server.ehlo, timeout=timeout)
        self.smtp.ehlo_or_helo_if_needed()
        if server.security == "starttls":
            if not self.smtp.has_extn("starttls"):
                self.quit()
                return SmtpResponse(530, "5.7.0", "The server offers no STARTTLS.")
            self.smtp.starttls(context=self.context())
            self.smtp.ehlo()
        if server.username:
            self.sign_in(self.smtp)
        self.sent = 0
        return None

    def sign_in(self, smtp: smtplib.SMTP) -> None:
        """One try by the first way both know; smtplib's own `login` tries all and gets locked out.

        In UTF-8 (RFC 4616), where smtplib's own `auth` takes nothing but ASCII.
        Raises `SMTPAuthenticationError` or `SMTPNotSupportedError`.
        """
        user, password = self.server.username.encode(), self.server.password.encode()
        offered = smtp.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in offered:
            both = b"\0%b\0%b" % (user, password)
            method, first, second = "PLAIN", both, both  # again if it asks although it was told
        elif "LOGIN" in offered:
            method, first, second = "LOGIN", user, password
        else:
            raise smtplib.SMTPNotSupportedError("no common way to sign in")
        code, text = smtp.docmd("AUTH", f"{method} {_base64(first)}")
        if code == 334:
            code, text = smtp.docmd(_base64(second))
        if code not in (235, 503):  # 503: it knows us already, as smtplib reads it too
            raise smtplib.SMTPAuthenticationError(code, text)

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.server.ca_file or certifi.where())

    def limit(self, deadline: float) -> None:
        """No reading or writing waits beyond the mail's time."""
        if self.smtp and self.smtp.sock:
            self.smtp.sock.settimeout(max(0.1, deadline - time.monotonic()))

    def envelope(self, job: _Job) -> SmtpResponse | None:
        """MAIL, RCPT and DATA up to the server's "go on". A response is its refusal.

        Raises `_NotUnderstood` for any other answer: a yes to a mail not yet written is none.
        """
        smtp, request = self.smtp, job.request
        assert smtp is not None
        self.limit(job.deadline)
        utf8 = not (request.mail_from + request.rcpt).isascii()
        if utf8 and not smtp.has_extn("smtputf8"):
            return SmtpResponse(553, "5.6.7", "The server does not take this kind of address.")
        smtp.command_encoding = "utf-8" if utf8 else "ascii"
        dsn = smtp.has_extn("dsn")
        steps = (
            f"MAIL FROM:<{request.mail_from}>{self.mail_options(request, utf8)}",
            f"RCPT TO:<{request.rcpt}>{' NOTIFY=FAILURE' if dsn else ''}",
            "DATA",
        )
        for step in steps:
            code, text = smtp.docmd(step)
            if not (code == 354 if step == "DATA" else 200 <= code < 300):
                refusal = _refusal(code, text, request.message_id)
                self.reset(code)
                return refusal
        return None

    def mail_options(self, request: SmtpRequest, utf8: bool) -> str:
        smtp = self.smtp
        assert smtp is not None
        options = f" SIZE={len(request.data)}" if smtp.has_extn("size") else ""
        if smtp.has_extn("8bitmime") and not request.data.isascii():
            options += " BODY=8BITMIME"
        if smtp.has_extn("dsn"):
            options += " RET=HDRS"  # a bounce then does not carry the text back
        return options + (" SMTPUTF8" if utf8 else "")

    def content(self, job: _Job) -> Outcome:
        """The mail itself. From here on a broken line leaves it open what happened."""
        smtp = self.smtp
        assert smtp is not None
        try:
            stuffed = _LEADING_DOT.sub(b"..", job.request.data)
            end = b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n"
            smtp.send(stuffed + end)
            code, text = smtp.getreply()
            response = _response if 200 <= code < 300 else _refusal
            answer = response(code, text, job.request.message_id)
        except Exception as error:
            self.drop()
            return Lost(_cause(error))
        self.sent += 1
        if code == 421 or self.sent >= self.server.per_connection:
            self.quit()
        return answer

    def reset(self, code: int) -> None:
        """Make the connection ready for the next mail, or give it up."""
        if code == 421 or self.smtp is None:
            self.quit()
            return
        try:
            in_step = 200 <= self.smtp.rset()[0] < 300
        except (OSError, smtplib.SMTPException):
            in_step = False
        if not in_step:
            self.drop()

    def quit(self) -> None:
        """Say goodbye; no trouble with that may take a mail's outcome along."""
        if self.smtp is not None:
            with contextlib.suppress(Exception):
                self.limit(time.monotonic() + 2)
                self.smtp.quit()
        self.drop()

    def drop(self) -> None:
        smtp, self.smtp = self.smtp, None
        if smtp is not None:
            with contextlib.suppress(Exception):
                smtp.close()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _response(code: int, text: bytes | str, message_id: str = "") -> SmtpResponse:
    line = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    enhanced = _ENHANCED.match(line)
    return SmtpResponse(code, enhanced[1] if enhanced else "", line, message_id)


def _refusal(code: int, text: bytes | str, message_id: str = "") -> SmtpResponse:
    """The response if it says no. Raises `_NotUnderstood` if it does not."""
    if not 400 <= code < 600:
        raise _NotUnderstood
    return _response(code, text, message_id)


def _cause(error: Exception) -> str:
    """A short word for what broke; the error's own text may hold an answer, address or password."""
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return "timeout"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "disconnected"
    if isinstance(error, _NotUnderstood):
        return "answer not understood"
    if not isinstance(error, OSError | smtplib.SMTPException):
        log.error("smtp_broke", error=type(error).__name__)
    return type(error).__name__
