"""The HTTP transport against real sockets on loopback."""

import contextlib
import datetime
import io
import os
import socket
import ssl
import threading
import time

import pycurl
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from messengers.contract import HttpRequest, HttpResponse, Lost, NotSent, SmtpRequest
from messengers.transports import HttpTransport
from tests.standins import http_provider
from tests.standins.http_provider import TOKEN, Faults, Provider

HEADERS = (("content-type", "application/json"), ("authorization", f"Bearer {TOKEN}"))


def post(base, body=b'{"to": "+4917604069001", "text": "x"}', path="/api/messages"):
    return HttpRequest("POST", base + path, HEADERS, body)


def settle(transport, wait=10.0):
    """All outcomes of what is in flight, by key."""
    outcomes = {}
    until = time.monotonic() + wait
    while transport.in_flight and time.monotonic() < until:
        outcomes.update(transport.poll(0.5))
    return outcomes


@pytest.fixture
def transport():
    transport = HttpTransport()
    yield transport
    transport.close()


class Scripted:
    """A server whose every accepted connection is handled by the next function of a list."""

    def __init__(self, *handlers):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.requests = []
        self.handlers = list(handlers)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        for handler in self.handlers:
            with contextlib.suppress(OSError):
                connection, _ = self.listener.accept()
                threading.Thread(target=self.handle, args=(handler, connection)).start()

    def handle(self, handler, connection):
        with contextlib.suppress(OSError), connection:
            handler(self, connection)

    def read(self, connection):
        """One whole request; its body is kept."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65536)
        self.requests.append(body)
        return head

    def close(self):
        self.listener.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_a_window_of_calls_is_answered_each_under_its_key(transport):
    provider = Provider()
    with http_provider.running(provider) as base:
        for number in range(100):
            transport.submit(number, post(base), 5)
        assert transport.in_flight == 100

        outcomes = settle(transport)

    assert {outcome.status for outcome in outcomes.values()} == {201}
    assert sorted(outcomes) == list(range(100))
    assert len(provider.accepted) == 100
    assert len({outcome.json()["id"] for outcome in outcomes.values()}) == 100


def test_connections_are_kept_and_used_again(transport):
    connections = []

    def serve_three(server, connection):
        connections.append(connection)
        for _ in range(3):
            server.read(connection)
            connection.sendall(OK)

    server = Scripted(serve_three, serve_three)
    for number in range(3):
        transport.submit(number, post(server.url), 5)
        assert settle(transport)[number].status == 200

    assert len(connections) == 1
    server.close()


def answer_then_close_on_second(server, connection):
    """Answer the first request; read the second whole and close without a word."""
    server.read(connection)
    connection.sendall(OK)
    server.read(connection)


def answer(server, connection):
    if server.read(connection) is not None:
        connection.sendall(OK)


def test_a_post_on_a_dying_connection_is_not_repeated(transport):
    server = Scripted(answer_then_close_on_second, answer)
    transport.submit("first", post(server.url, b"first"), 5)
    assert settle(transport)["first"].status == 200

    transport.submit("second", post(server.url, b"second"), 5)
    outcome = settle(transport)["second"]

    assert server.requests == [b"first", b"second"]
    assert isinstance(outcome, Lost)
    server.close()


def test_the_same_server_sees_a_rewindable_body_twice():
    """The proof that the test above can fail: plain libcurl with a body it may rewind."""
    server = Scripted(answer_then_close_on_second, answer)
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, server.url)
    curl.setopt(pycurl.WRITEFUNCTION, io.BytesIO().write)
    for body in (b"first", b"second"):
        curl.setopt(pycurl.POSTFIELDS, body)
        curl.perform()
    curl.close()

    assert server.requests == [b"first", b"second", b"second"]
    server.close()


def test_a_post_without_body_never_goes_out_on_an_old_connection(transport):
    server = Scripted(answer_then_close_on_second, answer, answer)
    transport.submit(1, post(server.url, b""), 5)
    settle(transport)
    transport.submit(2, post(server.url, b""), 5)

    assert settle(transport)[2].status == 200
    assert len(server.requests) == 2
    server.close()


def test_nobody_listening_means_not_sent(transport):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with http_provider.running(Provider()) as base:
        transport.submit("a handle that has sent before", post(base), 5)
        settle(transport)
    transport.submit(1, post(f"http://127.0.0.1:{port}"), 5)

    assert settle(transport)[1] == NotSent("connect")


def test_an_unknown_name_means_not_sent(transport):
    transport.submit(1, post("http://nobody.invalid"), 5)

    assert settle(transport)[1] == NotSent("dns")


def test_a_handshake_without_end_means_not_sent(transport):
    """The server takes the connection and never says a word of TLS: no byte of ours has left."""
    gate = threading.Event()
    server = Scripted(lambda _server, _connection: gate.wait(10))
    transport.submit(1, post(server.url.replace("http:", "https:")), 0.5)

    assert settle(transport)[1] == NotSent("connect timeout")
    gate.set()
    server.close()


def test_a_connection_that_nobody_takes_means_not_sent(transport):
    """The listener's queue is full, so the TCP handshake never ends."""
    with socket.socket() as listener, contextlib.ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(listener.getsockname())
        transport.submit(1, post(f"http://127.0.0.1:{listener.getsockname()[1]}"), 0.5)

        assert settle(transport)[1] == NotSent("connect timeout")


def test_no_answer_in_time_means_lost(transport):
    gate = threading.Event()

    def read_and_wait(server, connection):
        server.read(connection)
        gate.wait(10)

    server = Scripted(read_and_wait)
    transport.submit(1, post(server.url), 0.5)

    assert settle(transport)[1] == Lost("timeout")
    assert len(server.requests) == 1
    gate.set()
    server.close()


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", b"\x00\x01 no HTTP at all\n"],
)
def test_an_answer_cut_off_or_unreadable_means_lost(transport, said):
    def speak(server, connection):
        server.read(connection)
        connection.sendall(said)

    server = Scripted(speak)
    transport.submit(1, post(server.url), 5)

    assert isinstance(settle(transport)[1], Lost)
    server.close()


@pytest.mark.parametrize(
    "head", [b"Content-Length: 900000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nDBBA0\r\n"]
)
def test_a_flood_for_an_answer_means_lost(head):
    def flood(server, connection):
        server.read(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head)
        with contextlib.suppress(OSError):
            connection.sendall(b"x" * 900_000)

    server = Scripted(flood)
    transport = HttpTransport(response_max=10_000)
    transport.submit(1, post(server.url), 5)

    assert settle(transport)[1] == Lost("answer too large")
    transport.close()
    server.close()


def test_headers_said_twice_are_joined_and_those_of_a_100_forgotten(transport):
    def continued(server, connection):
        server.read(connection)
        connection.sendall(b"HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n")
        connection.sendall(b"HTTP/1.1 200 OK\r\nVia: a\r\nVIA: b\r\nContent-Length: 2\r\n\r\n{}")

    server = Scripted(continued)
    transport.submit(1, post(server.url), 5)

    assert dict(settle(transport)[1].headers) == {"via": "a, b", "content-length": "2"}
    server.close()


def test_a_handle_that_is_used_again_takes_every_change(transport):
    """Only what differs from the call before is set anew: nothing of it may be missed."""
    heads = []

    def answer_all(server, connection):
        while head := server.read(connection):
            heads.append(head)
            connection.sendall(OK)

    server = Scripted(answer_all, answer_all)
    for method, path, headers, body in (
        ("POST", "/a", (("x", "1"),), b"one"),
        ("POST", "/b", (("x", "1"),), b"longer"),
        ("PUT", "/b", (("x", "1"),), b"other"),
        ("POST", "/b", (("x", "2"),), b""),
    ):
        transport.submit(1, HttpRequest(method, server.url + path, headers, body), 5)
        assert settle(transport)[1].status == 200

    seen = [head.split(b" HTTP/1.1\r\n")[0] for head in heads]
    assert seen == [b"POST /a", b"POST /b", b"PUT /b", b"POST /b"]
    assert [head.count(b"x: 1") for head in heads] == [1, 1, 1, 0]
    assert server.requests == [b"one", b"longer", b"other", b""]
    server.close()


def test_a_redirect_is_an_answer_and_is_not_followed(transport):
    def redirect(server, connection):
        server.read(connection)
        connection.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
        )

    server = Scripted(redirect, answer)
    transport.submit(1, post(server.url), 5)
    outcome = settle(transport)[1]

    assert (outcome.status, outcome.headers["location"]) == (302, "/elsewhere")
    assert len(server.requests) == 1
    server.close()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/"])
def test_only_http_is_spoken(transport, url):
    transport.submit(1, HttpRequest("GET", url), 5)

    assert settle(transport)[1] == NotSent("only http and https")


def test_a_large_body_goes_out_at_once_without_asking(transport):
    """No `Expect: 100-continue`: it would cost every picture a second."""
    heads = []

    def keep_head(server, connection):
        heads.append(server.read(connection))
        connection.sendall(OK)

    server = Scripted(keep_head)
    body = os.urandom(3_000_000)
    transport.submit(1, post(server.url, body), 10)

    assert settle(transport)[1].status == 200
    assert server.requests == [body]
    assert b"expect" not in heads[0].lower()
    server.close()


def test_a_line_end_in_a_header_is_refused(transport):
    request = HttpRequest("POST", "http://127.0.0.1:1/", (("authorization", "a\r\nx: y"),), b"x")

    with pytest.raises(ValueError, match="authorization"):
        transport.submit(1, request, 5)
    assert transport.in_flight == 0


def test_a_call_that_libcurl_does_not_take_is_none_of_those_in_flight(transport, monkeypatch):
    server = Scripted(answer)
    transport.submit(1, post(server.url), 5)
    settle(transport)
    real = transport._multi

    class Full:
        def add_handle(self, curl):
            raise pycurl.error(3, "out of memory")

    monkeypatch.setattr(transport, "_multi", Full())
    with pytest.raises(pycurl.error):
        transport.submit(2, post(server.url), 5)
    assert transport.in_flight == 0
    monkeypatch.setattr(transport, "_multi", real)
    server.close()


def test_mail_is_not_for_this_transport(transport):
    with pytest.raises(TypeError):
        transport.submit(1, SmtpRequest("a", "b", b""), 5)


def test_a_child_process_opens_connections_of_its_own(transport):
    provider = Provider()
    with http_provider.running(provider) as base:
        transport.submit("parent", post(base), 5)
        assert settle(transport)["parent"].status == 201
        child = os.fork()
        if child == 0:
            transport.submit("child", post(base), 5)
            os._exit(0 if settle(transport)["child"].status == 201 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        transport.submit("parent again", post(base), 5)

        assert settle(transport)["parent again"].status == 201
    assert len(provider.accepted) == 3


def test_faults_of_the_stand_in_become_answers_or_doubt(transport):
    provider = Provider(faults=Faults(drop_before=0.2, drop_after=0.2, throttle=0.2, seed=3))
    with http_provider.running(provider) as base:
        for number in range(200):
            transport.submit(number, post(base), 5)
        outcomes = settle(transport)

    answered = [o.status for o in outcomes.values() if isinstance(o, HttpResponse)]
    lost = [o for o in outcomes.values() if isinstance(o, Lost)]
    assert len(outcomes) == 200
    assert provider.requests == 200
    assert answered.count(201) <= len(provider.accepted) <= answered.count(201) + len(lost)
    assert min(answered.count(201), answered.count(429), len(lost)) > 10


# --- TLS ---------------------------------------------------------------------------------------


def make_certificate(folder, name="127.0.0.1"):
    """A self-signed authority that is its own server certificate; gives (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


def tls_context(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(folder))
    return context


def test_tls_is_spoken_with_a_known_authority_only(tmp_path):
    context = tls_context(tmp_path)

    def answer_tls(server, connection):
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
            answer(server, tls)

    server = Scripted(*[answer_tls] * 3)
    url = server.url.replace("http://127.0.0.1", "https://localhost")
    knowing = HttpTransport(ca_file=str(tmp_path / "certificate.pem"))
    strange = HttpTransport()

    knowing.submit(1, post(url), 5)
    assert settle(knowing)[1].status == 200
    strange.submit(1, post(url), 5)
    assert settle(strange)[1] == NotSent("tls certificate")
    wrong_name = url.replace("localhost", "127.0.0.1")
    knowing.submit(2, post(wrong_name), 5)
    assert settle(knowing)[2] == NotSent("tls certificate")
    assert len(server.requests) == 1
    knowing.close()
    strange.close()
    server.close()
