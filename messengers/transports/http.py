"""HTTP through libcurl's multi interface: hundreds of calls in one thread, without an event loop.

libcurl silently repeats a POST when a reused connection turns out dead and the body can be rewound.
For us that is a second message to somebody. So bodies go through a read function without a seek
function: libcurl then gives up with "send failed since rewinding failed", which is `Lost`.
"""

from __future__ import annotations

import io
import os
import select
import time
from collections.abc import Hashable, Iterator, Mapping

import certifi
import pycurl

from messengers.contract import HttpRequest, HttpResponse, Lost, NotSent, Outcome, Request

RESPONSE_MAX = 1024 * 1024  # bytes; no provider answers a send with more
CONNECT_TIMEOUT = 5.0  # seconds, name and TLS included
IDLE_MAX = 30  # seconds a connection is kept without use; shorter than most servers keep it
CACHE = 512  # idle connections kept

# What to call a failure before the first byte of a request has left, and one after it.
_NOT_SENT = {
    pycurl.E_OPERATION_TIMEDOUT: "connect timeout",
    pycurl.E_COULDNT_RESOLVE_PROXY: "proxy name",
    pycurl.E_COULDNT_RESOLVE_HOST: "dns",
    pycurl.E_COULDNT_CONNECT: "connect",
    pycurl.E_SSL_CONNECT_ERROR: "tls",
    pycurl.E_PEER_FAILED_VERIFICATION: "tls certificate",
    pycurl.E_SSL_CACERT_BADFILE: "tls authority file",
    pycurl.E_SSL_CERTPROBLEM: "tls certificate of ours",
    pycurl.E_SSL_CIPHER: "tls cipher",
    pycurl.E_UNSUPPORTED_PROTOCOL: "only http and https",
    pycurl.E_URL_MALFORMAT: "malformed address",
}
_LOST = {
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
    pycurl.E_GOT_NOTHING: "closed without an answer",
    pycurl.E_SEND_FAIL_REWIND: "closed without an answer",
    pycurl.E_PARTIAL_FILE: "answer cut off",
    pycurl.E_RECV_ERROR: "receiving failed",
    pycurl.E_SEND_ERROR: "sending failed",
    pycurl.E_FILESIZE_EXCEEDED: "answer too large",
}
# A child process must neither use nor close its parent's connections (closing would speak TLS on
# them), so what was inherited is kept untouched for the life of the child.
_INHERITED: list[object] = []


class _Headers(Mapping[str, str]):
    """The answer's headers by lower-case name; read only when somebody asks, which is seldom."""

    __slots__ = ("_lines", "_read")

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines
        self._read: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, str]:
        if self._read is None:
            self._read = _read_headers(self._lines)
        return self._read


def _read_headers(lines: list[bytes]) -> dict[str, str]:
    """The headers of the last answer: a new status line (after "100 Continue") starts over."""
    headers: dict[str, str] = {}
    for line in lines:
        text = line.decode("latin-1").strip()
        if text.startswith("HTTP/"):
            headers = {}
            continue
        name, colon, value = text.partition(":")
        if colon:
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


class _Call:
    """One easy handle with its callbacks, used for one call after the other.

    The callbacks are methods of built-in types: libcurl calls them several times for each message.
    """

    def __init__(self, ca_file: str, proxy: str, response_max: int) -> None:
        self.key: Hashable = None
        self.body = io.BytesIO()
        self.chunks: list[bytes] = []
        self.lines: list[bytes] = []
        self.loaded: tuple[object, ...] = ()
        self.curl = curl = pycurl.Curl()
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PROXY, proxy)  # "" also switches the environment's proxy off
        curl.setopt(pycurl.CAINFO, ca_file)
        curl.setopt(pycurl.USERAGENT, "Jawort")
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(CONNECT_TIMEOUT * 1000))
        curl.setopt(pycurl.MAXAGE_CONN, IDLE_MAX)
        curl.setopt(pycurl.MAXFILESIZE, response_max)
        curl.setopt(pycurl.READFUNCTION, self.body.read)
        curl.setopt(pycurl.WRITEFUNCTION, self.chunks.append)
        curl.setopt(pycurl.HEADERFUNCTION, self.lines.append)

    def start(self, key: Hashable, request: HttpRequest, timeout: float) -> None:
        """Load the handle with a request. Raises `ValueError` for one that cannot be HTTP."""
        # Most calls differ from the one before in nothing but their body.
        wanted = (request.method, request.url, request.headers, timeout, bool(request.body))
        if wanted != self.loaded:
            self.loaded = ()
            self.load(request, timeout)
            self.loaded = wanted
        if request.method != "GET":
            self.curl.setopt(pycurl.POSTFIELDSIZE_LARGE, len(request.body))
        self.key = key
        self.body.write(request.body)
        self.body.seek(0)

    def clear(self) -> None:
        """Keep nothing of a call that is over."""
        self.key = None
        self.chunks.clear()
        self.lines.clear()
        self.body.seek(0)
        self.body.truncate()

    def load(self, request: HttpRequest, timeout: float) -> None:
        """Set everything but the body."""
        curl = self.curl
        # An empty "Expect" keeps libcurl from waiting for a "100 Continue".
        headers = [*(_header_line(name, value) for name, value in request.headers), "Expect:"]
        curl.setopt(pycurl.URL, request.url)
        curl.setopt(pycurl.TIMEOUT_MS, max(1, int(timeout * 1000)))
        curl.setopt(pycurl.HTTPHEADER, headers)
        curl.setopt(pycurl.HTTPGET if request.method == "GET" else pycurl.POST, 1)
        if request.method in ("GET", "POST"):
            curl.unsetopt(pycurl.CUSTOMREQUEST)
        else:
            curl.setopt(pycurl.CUSTOMREQUEST, request.method)
        # Without a body there is nothing whose rewinding could fail: never on an old connection.
        curl.setopt(pycurl.FRESH_CONNECT, int(not request.body and request.method != "GET"))

    def response(self) -> HttpResponse:
        status = int(self.curl.getinfo(pycurl.RESPONSE_CODE))
        return HttpResponse(status, _Headers(self.lines.copy()), b"".join(self.chunks))

    def failure(self, code: int) -> NotSent | Lost:
        """What an error of libcurl means: by what was written to the socket, not by its code.

        (An answer that is no HTTP has the same code as an address that is none.)
        """
        if not self.curl.getinfo(pycurl.REQUEST_SIZE) and not self.body.tell():
            return NotSent(_NOT_SENT.get(code, "connect"))
        return Lost(_LOST.get(code, f"libcurl {code}"))


def _header_line(name: str, value: str) -> str:
    """One header; a line end in a pasted token must not become a header of its own."""
    line = f"{name}: {value}"
    if not line.isascii() or not line.isprintable():
        raise ValueError(f"The header {name} holds a line end or a letter that is not ASCII.")
    return line


class HttpTransport:
    """A continuous window of HTTP calls. Connections are kept and reused, also between calls."""

    def __init__(
        self, *, ca_file: str = "", proxy: str = "", response_max: int = RESPONSE_MAX
    ) -> None:
        self._ca_file = ca_file or certifi.where()
        self._proxy = proxy
        self._response_max = response_max
        self._pid = 0
        # Opened with the first call, in the process that makes it.
        self._multi: pycurl.CurlMulti
        self._epoll: select.epoll
        self._watched: set[int]
        self._timer_at = float("inf")
        self._calls: dict[pycurl.Curl, _Call] = {}
        self._free: list[_Call] = []

    def submit(self, key: Hashable, request: Request, timeout: float) -> None:
        """Start a call. Raises `TypeError` for a request that is not HTTP.

        Whatever it raises, nothing of the call leaves.
        """
        if not isinstance(request, HttpRequest):
            raise TypeError("The HTTP transport carries HttpRequest only.")
        self._ensure_open()
        call = self._free.pop() if self._free else self._new_call()
        try:
            call.start(key, request, timeout)
            self._multi.add_handle(call.curl)
        except (ValueError, pycurl.error):
            self._free.append(call)
            raise
        self._calls[call.curl] = call

    def poll(self, wait: float) -> list[tuple[Hashable, Outcome]]:
        """The outcomes that are there; waits up to `wait` seconds for the first one."""
        until = time.monotonic() + wait
        now = until - wait
        while self._calls:
            self._step(max(0.0, min(until, self._timer_at) - now))
            if done := self._harvest():
                return done
            now = time.monotonic()
            if now >= until:
                return []
        return []

    @property
    def in_flight(self) -> int:
        return len(self._calls)

    def close(self) -> None:
        """End all connections; calls in flight have no outcome any more."""
        if self._pid == os.getpid():
            for curl in self._calls:
                self._multi.remove_handle(curl)
            for call in (*self._calls.values(), *self._free):
                call.curl.close()
            self._multi.close()
            self._epoll.close()
        self._calls, self._free, self._pid = {}, [], 0

    def _new_call(self) -> _Call:
        return _Call(self._ca_file, self._proxy, self._response_max)

    def _ensure_open(self) -> None:
        """Open libcurl in this very process: what a parent opened is not ours to use."""
        if self._pid == os.getpid():
            return
        if self._pid:
            _INHERITED.extend((self._multi, self._epoll, *self._calls.values(), *self._free))
            self._calls, self._free = {}, []
        self._pid = os.getpid()
        self._timer_at = float("inf")
        self._epoll = select.epoll()
        self._watched = set()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, CACHE)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)

    def _on_socket(self, what: int, fd: int, _multi: object, _data: object) -> None:
        """libcurl says which sockets it waits for."""
        if what == pycurl.POLL_REMOVE:
            if fd in self._watched:
                self._watched.discard(fd)
                self._epoll.unregister(fd)
            return
        events = 0
        if what in (pycurl.POLL_IN, pycurl.POLL_INOUT):
            events |= select.EPOLLIN
        if what in (pycurl.POLL_OUT, pycurl.POLL_INOUT):
            events |= select.EPOLLOUT
        if fd in self._watched:
            self._epoll.modify(fd, events)
        else:
            self._watched.add(fd)
            self._epoll.register(fd, events)

    def _on_timer(self, milliseconds: int) -> None:
        """libcurl says when it wants to be called, whatever happens; -1: never."""
        due = time.monotonic() + milliseconds / 1000
        self._timer_at = due if milliseconds >= 0 else float("inf")

    def _step(self, wait: float) -> None:
        """Wait for sockets up to `wait` seconds and let libcurl work on those that are ready."""
        for fd, events in self._epoll.poll(wait):
            ready = pycurl.CSELECT_IN if events & select.EPOLLIN else 0
            ready |= pycurl.CSELECT_OUT if events & select.EPOLLOUT else 0
            ready |= pycurl.CSELECT_ERR if events & (select.EPOLLERR | select.EPOLLHUP) else 0
            self._multi.socket_action(fd, ready)
        if time.monotonic() >= self._timer_at:
            self._timer_at = float("inf")
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _harvest(self) -> list[tuple[Hashable, Outcome]]:
        """Take the finished calls and put their handles back."""
        done: list[tuple[Hashable, Outcome]] = []
        more = True
        while more:
            more_count, finished, failed = self._multi.info_read()
            done += [self._finish(curl, None) for curl in finished]
            done += [self._finish(curl, code) for curl, code, _text in failed]
            more = more_count > 0
        return done

    def _finish(self, curl: pycurl.Curl, code: int | None) -> tuple[Hashable, Outcome]:
        call = self._calls.pop(curl)
        outcome: Outcome = call.response() if code is None else call.failure(code)
        self._multi.remove_handle(curl)
        key = call.key
        call.clear()
        self._free.append(call)
        return key, outcome
