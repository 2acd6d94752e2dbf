"""Each fault of the proxy as the two ends of its line see it."""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.fault_proxy import FaultProxy

NEVER = 0.15  # seconds of silence that count as nothing
SOON = 5.0


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.request.recv(65536):
                self.request.sendall(data)


class TcpEcho(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 100


class UnixEcho(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False


@contextlib.contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    yield
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def line() -> Iterator[FaultProxy]:
    server = TcpEcho(("127.0.0.1", 0), Echo)
    with serving(server), FaultProxy(f"127.0.0.1:{server.server_address[1]}") as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def mended(line: FaultProxy) -> Iterator[None]:
    yield
    line.mend()
    line.reset()


def dial(line: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", line.port), timeout=SOON)


def said(peer: socket.socket, data: bytes) -> bytes:
    """What comes back, until all of it has come."""
    peer.sendall(data)
    back = b""
    while len(back) < len(data):
        piece = peer.recv(65536)
        if not piece:
            break
        back += piece
    return back


def hears_nothing(peer: socket.socket) -> bool:
    peer.settimeout(NEVER)
    try:
        return peer.recv(1) == b"?"
    except TimeoutError:
        return True
    finally:
        peer.settimeout(SOON)


def test_a_sound_line_changes_nothing(line: FaultProxy) -> None:
    with dial(line) as peer:
        assert said(peer, b"a" * 300_000) == b"a" * 300_000
        assert line.count() == 1

        peer.shutdown(socket.SHUT_WR)

        assert peer.recv(10) == b""


def test_a_cut_line_refuses_until_it_is_mended(line: FaultProxy) -> None:
    with dial(line) as peer:
        assert said(peer, b"before") == b"before"

        assert line.cut() == 1

        assert peer.recv(10) == b""
        with pytest.raises(ConnectionRefusedError):
            dial(line)
        line.mend()
        with dial(line) as again:
            assert said(again, b"after") == b"after"


def test_a_reset_tears_down_what_is_open_and_lets_new_ones_pass(line: FaultProxy) -> None:
    with dial(line) as peer:
        assert said(peer, b"before") == b"before"

        line.reset()

        with pytest.raises(ConnectionResetError):
            peer.recv(10)
        with dial(line) as again:
            assert said(again, b"after") == b"after"


def test_a_stalled_line_is_silent_and_goes_on_where_it_was(line: FaultProxy) -> None:
    with dial(line) as peer:
        assert said(peer, b"before") == b"before"
        line.stall()
        peer.sendall(b"during")
        with dial(line) as late:
            late.sendall(b"late")
            assert hears_nothing(peer)
            assert hears_nothing(late)

            line.mend()

            assert peer.recv(10) == b"during"
            assert late.recv(10) == b"late"


def test_a_slow_line_delays_both_ways(line: FaultProxy) -> None:
    line.slow(60)
    with dial(line) as peer:
        began = time.monotonic()
        assert said(peer, b"slowly") == b"slowly"
        assert time.monotonic() - began >= 0.12


def test_a_limited_rate_takes_its_time(line: FaultProxy) -> None:
    line.rate(100_000)
    with dial(line) as peer:
        began = time.monotonic()
        assert len(said(peer, b"r" * 20_000)) == 20_000
        assert time.monotonic() - began >= 0.15


def test_a_line_breaks_after_its_limit(line: FaultProxy) -> None:
    line.limit(1000)
    with dial(line) as peer:
        assert said(peer, b"l" * 400) == b"l" * 400
        with pytest.raises(ConnectionResetError):
            said(peer, b"l" * 4000)


def test_slices_arrive_one_by_one(line: FaultProxy) -> None:
    line.slice(3)
    with dial(line) as peer:
        peer.sendall(b"abcdefgh")
        pieces = [peer.recv(100)]
        while sum(map(len, pieces)) < 8:
            pieces.append(peer.recv(100))
        assert b"".join(pieces) == b"abcdefgh"
        assert len(pieces) >= 2


def test_no_byte_comes_twice_when_a_line_is_mended_between_two_slices(line: FaultProxy) -> None:
    sent = bytes(index % 251 for index in range(1000))
    line.slice(3)
    with dial(line) as peer:
        peer.sendall(sent)
        back = peer.recv(100)
        assert 0 < len(back) < len(sent)

        line.mend()

        while len(back) < len(sent):
            back += peer.recv(65536)
        assert back == sent
        assert hears_nothing(peer)


def test_a_command_that_is_not_known_is_refused(line: FaultProxy) -> None:
    for wrong in ("explode", "slow", "slow much"):
        with pytest.raises(ValueError, match="no:"):
            line.tell(wrong)


def test_a_line_can_be_broken_over_its_control_socket(tmp_path: Path) -> None:
    server = TcpEcho(("127.0.0.1", 0), Echo)
    control = tmp_path / "control"
    with (
        serving(server),
        FaultProxy(f"127.0.0.1:{server.server_address[1]}", control=str(control)) as proxy,
        socket.socket(socket.AF_UNIX) as told,
        dial(proxy) as peer,
    ):
        assert said(peer, b"before") == b"before"
        told.settimeout(SOON)
        told.connect(str(control))

        assert said(told, b"cut \n") == b"ok 1\n"

        assert peer.recv(10) == b""


def test_unix_sockets_on_both_ends(tmp_path: Path) -> None:
    server = UnixEcho(str(tmp_path / "server"), Echo)
    front = tmp_path / "front"
    with (
        serving(server),
        FaultProxy(f"unix:{tmp_path / 'server'}", listen=f"unix:{front}") as proxy,
        socket.socket(socket.AF_UNIX) as peer,
    ):
        peer.settimeout(SOON)
        peer.connect(str(front))
        assert said(peer, b"hello") == b"hello"

        proxy.cut()

        assert peer.recv(10) == b""
        assert not front.exists()
