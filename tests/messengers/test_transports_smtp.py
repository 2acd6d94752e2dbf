"""The SMTP transport against a real mail server on loopback."""

import contextlib
import os
import socket
import ssl
import threading
import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from messengers.contract import HttpRequest, Lost, NotSent, SmtpRequest, SmtpResponse, SmtpServer
from messengers.transports import SmtpTransport, smtp
from tests.messengers.test_transports_http import make_certificate, settle, tls_context
from tests.standins import smtp_server
from tests.standins.smtp_server import PASSWORD, USER, Script

MAIL = b"Subject: x\r\nMessage-ID: <a1@example.org>\r\n\r\nHello\r\n.\r\n..two\r\nend"


def mail(rcpt="anna@example.net", data=MAIL, sender="b+a1@example.org"):
    return SmtpRequest(sender, rcpt, data, "<a1@example.org>")


@contextlib.contextmanager
def transport_to(port, **options):
    settings: dict[str, Any] = {"host": "127.0.0.1", "security": "plain", "connections": 2}
    transport = SmtpTransport(SmtpServer(port=port, **settings | options))
    try:
        yield transport
    finally:
        transport.close()


def send(port, request=None, timeout=5.0, **options):
    """The outcome of one mail."""
    with transport_to(port, **options) as transport:
        transport.submit("one", request or mail(), timeout)
        return settle(transport)["one"]


@contextlib.contextmanager
def server_saying(*replies):
    """A server that says these in turn: the first as its greeting, each other to one line."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with contextlib.suppress(OSError), connection, connection.makefile("rwb") as lines:
                for reply in replies:
                    lines.write(reply.encode() + b"\r\n")
                    lines.flush()
                    lines.readline()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def test_a_mail_arrives_byte_for_byte():
    with smtp_server.running() as (handler, port):
        outcome = send(port)

    assert outcome == SmtpResponse(250, "2.0.0", "2.0.0 queued as STANDIN1", "<a1@example.org>")
    (accepted,) = handler.accepted
    assert (accepted.mail_from, accepted.rcpt) == ("b+a1@example.org", "anna@example.net")
    assert accepted.data == MAIL + b"\r\n"


def test_connections_carry_many_mails_and_then_end():
    with (
        smtp_server.running() as (handler, port),
        transport_to(port, connections=1, per_connection=10) as transport,
    ):
        for number in range(25):
            transport.submit(number, mail(), 10)
        outcomes = settle(transport)

    assert [outcome.code for outcome in outcomes.values()] == [250] * 25
    assert len(handler.accepted) == 25
    assert handler.connections == 3


@pytest.mark.parametrize(
    ("rcpt", "code", "enhanced"),
    [
        ("unknown@example.net", 550, "5.1.1"),
        ("full@example.net", 452, "4.2.2"),
        ("grey@example.net", 451, "4.7.1"),
        ("fast@example.net", 421, "4.7.28"),
    ],
)
def test_a_refused_recipient_is_an_answer_and_the_next_mail_goes(rcpt, code, enhanced):
    with (
        smtp_server.running() as (handler, port),
        transport_to(port, connections=1) as transport,
    ):
        transport.submit("refused", mail(rcpt), 5)
        transport.submit("next", mail(), 5)
        outcomes = settle(transport)

    refused = outcomes["refused"]
    assert (refused.code, refused.enhanced, refused.message_id) == (
        code,
        enhanced,
        "<a1@example.org>",
    )
    assert outcomes["next"].code == 250
    assert [accepted.rcpt for accepted in handler.accepted] == ["anna@example.net"]


def test_a_refusal_after_the_final_dot_is_an_answer():
    with smtp_server.running(Script(data_reply="552 5.3.4 too big")) as (handler, port):
        assert send(port).enhanced == "5.3.4"
    assert handler.accepted == []


def test_no_answer_after_the_final_dot_means_lost():
    with smtp_server.running(Script(drop_after_data=True)) as (handler, port):
        outcome = send(port)

    assert outcome == Lost("disconnected")
    assert len(handler.accepted) == 1


def test_a_late_answer_after_the_final_dot_means_lost():
    with smtp_server.running(Script(delay_data=1.5)) as (handler, port):
        outcome = send(port, timeout=0.5)

    assert isinstance(outcome, Lost)
    assert len(handler.accepted) == 1


@pytest.mark.parametrize("noise", ["garbage", "25", "354 go ahead", "250-yes\r\nno"])
def test_an_answer_nobody_understands_after_the_final_dot_means_lost(noise):
    """The line is then one answer behind: the next mail needs another one."""
    with (
        smtp_server.running(Script(noise=noise)) as (handler, port),
        transport_to(port, connections=1) as transport,
    ):
        transport.submit("odd", mail("one@example.net"), 5)
        odd = settle(transport)["odd"]
        transport.submit("next", mail("two@example.net"), 5)
        following = settle(transport)["next"]

    assert odd == Lost("answer not understood")
    assert following == SmtpResponse(250, "2.0.0", "2.0.0 queued as STANDIN1", "<a1@example.org>")
    assert [a.rcpt for a in handler.accepted] == ["one@example.net", "two@example.net"]
    assert handler.connections == 2


@pytest.mark.parametrize(
    "replies",
    [
        ("250 hi",),
        ("220 hi", "garbage", "354 hello"),
        ("220 hi", "250-hello\r\n250 AUTH PLAIN", "250 ok"),
        ("220 hi", "250 hello", "garbage"),
        ("220 hi", "250 hello", "354 go"),
        ("220 hi", "250 hello", "250 ok", "25"),
        ("220 hi", "250 hello", "250 ok", "354 go"),
        ("220 hi", "250 hello", "250 ok", "250 ok", "250 ok"),
        ("220 hi", "250 hello", "250 ok", "250 ok", "garbage"),
    ],
    ids=["greeting", "hello", "auth", "mail", "mail_354", "rcpt", "rcpt_354", "data_250", "data"],
)
def test_an_answer_nobody_understands_before_the_content_means_not_sent(replies):
    """Above all no 2xx here is a yes to a mail that was never written."""
    with server_saying(*replies) as port:
        outcome = send(port, username=USER if "AUTH" in "".join(replies) else "")

    assert outcome == NotSent("answer not understood")


def test_an_answer_nobody_understands_to_starttls_means_not_sent():
    with server_saying("220 hi", "250-hello\r\n250 STARTTLS", "250 ok") as port:
        assert send(port, security="starttls") == NotSent("answer not understood")


def test_a_refused_mail_that_cannot_be_taken_back_ends_its_connection():
    odd_after_refusal = ("220 hi", "250 hello", "550 5.1.1 no", "garbage", "250 ok")
    with (
        server_saying(*odd_after_refusal) as port,
        transport_to(port, connections=1) as transport,
    ):
        worker = smtp._Worker(transport._server, transport._jobs, transport._done)
        refused = worker.outcome(smtp._Job("one", mail(), time.monotonic() + 5))

    assert refused.code == 550
    assert worker.smtp is None


def test_a_kept_connection_that_died_is_replaced_before_anything_left():
    with (
        smtp_server.running(Script(drop_on_mail=2)) as (handler, port),
        transport_to(port, connections=1) as transport,
    ):
        for number in range(3):
            transport.submit(number, mail(), 5)
            assert settle(transport)[number].code == 250

    assert len(handler.accepted) == 3
    assert handler.connections == 2


def test_a_fresh_connection_that_breaks_before_data_means_not_sent():
    with smtp_server.running(Script(drop_on_mail=1)) as (handler, port):
        assert send(port) == NotSent("disconnected")
    assert handler.accepted == []


def test_nobody_listening_means_not_sent():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    assert send(port) == NotSent("ConnectionRefusedError")
    assert send(port, host="nobody.invalid", plain_allowed=True) == NotSent("gaierror")


def test_a_server_that_never_greets_means_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        outcome = send(listener.getsockname()[1], timeout=0.4)

    assert isinstance(outcome, NotSent)


def test_a_greeting_that_refuses_is_an_answer():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse():
            connection, _ = listener.accept()
            connection.sendall(b"554 5.7.1 no service for you\r\n")
            connection.close()

        threading.Thread(target=refuse, daemon=True).start()
        outcome = send(listener.getsockname()[1])

    assert (outcome.code, outcome.enhanced) == (554, "5.7.1")


def test_a_mail_that_waits_too_long_for_a_connection_never_starts():
    with (
        smtp_server.running(Script(delay_data=1.0)) as (handler, port),
        transport_to(port, connections=1) as transport,
    ):
        transport.submit("first", mail("one@example.net"), 5)
        transport.submit("second", mail("two@example.net"), 0.3)
        outcomes = settle(transport)
        transport.submit("third", mail("three@example.net"), 5)
        outcomes |= settle(transport)

    assert isinstance(outcomes["second"], NotSent)
    assert (outcomes["first"].code, outcomes["third"].code) == (250, 250)
    assert [a.rcpt for a in handler.accepted] == ["one@example.net", "three@example.net"]


def test_plain_text_to_another_machine_is_refused_here():
    outcome = send(25, host="192.0.2.1")

    assert (outcome.code, outcome.enhanced) == (530, "5.7.0")


NO_TLS_WARNING = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@NO_TLS_WARNING
def test_starttls_with_sign_in(tmp_path):
    context = tls_context(tmp_path)
    secure = {
        "host": "localhost",
        "security": "starttls",
        "ca_file": str(tmp_path / "certificate.pem"),
        "username": USER,
    }
    with smtp_server.running(starttls=context, auth=True) as (handler, port):
        assert send(port, password=PASSWORD, **secure).code == 250
        wrong = send(port, password="wrong", **secure)
        stranger = send(port, password=PASSWORD, **secure | {"ca_file": ""})

    assert (wrong.code, wrong.enhanced) == (535, "5.7.8")
    assert stranger == NotSent("tls: CERTIFICATE_VERIFY_FAILED")
    assert len(handler.accepted) == 1


@NO_TLS_WARNING
@pytest.mark.parametrize("no_auth_by", [("LOGIN",), ("PLAIN",)])
def test_a_password_beyond_ascii_goes_as_utf8(no_auth_by):
    known = {"user": "köln", "password": "pässwort"}
    with smtp_server.running(auth=True, no_auth_by=no_auth_by, **known) as (handler, port):
        right = send(port, username="köln", password="pässwort")
        wrong = send(port, username="köln", password="pässwörter")

    assert right.code == 250
    assert (wrong.code, wrong.enhanced) == (535, "5.7.8")
    assert len(handler.accepted) == 1


@NO_TLS_WARNING
def test_a_server_without_starttls_gets_no_mail_and_no_password():
    with smtp_server.running(auth=True) as (handler, port):
        outcome = send(
            port, host="localhost", security="starttls", username=USER, password=PASSWORD
        )

    assert (outcome.code, outcome.enhanced) == (530, "5.7.0")
    assert handler.accepted == []


def test_implicit_tls(tmp_path):
    """A TLS server of our own: the stand-in's library checks its port in plain text first."""
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with context.wrap_socket(connection, server_side=True) as tls:
                lines = tls.makefile("rwb")
                replies = [b"220 hi", b"250 hello", b"250 ok", b"250 ok", b"354 go"]
                for reply in replies:
                    lines.write(reply + b"\r\n")
                    lines.flush()
                    lines.readline()
                while lines.readline() != b".\r\n":
                    pass
                lines.write(b"250 2.0.0 done\r\n")
                lines.flush()
                lines.readline()

        threading.Thread(target=serve, daemon=True).start()
        outcome = send(
            listener.getsockname()[1], host="localhost", security="tls", ca_file=str(certificate)
        )

    assert (outcome.code, outcome.enhanced) == (250, "2.0.0")


def test_addresses_beyond_ascii_need_a_server_that_takes_them():
    umlaut = mail("jürgen@example.net")
    with smtp_server.running() as (handler, port):
        assert send(port, umlaut).code == 250
    assert handler.accepted[0].rcpt == "jürgen@example.net"
    assert "SMTPUTF8" in handler.accepted[0].options

    with smtp_server.running(smtputf8=False) as (handler, port):
        assert send(port, umlaut).enhanced == "5.6.7"
    assert handler.accepted == []


UNWRITABLE = "\ud800@example.net"  # half a character: no encoding takes it


def test_a_surprise_before_the_content_means_not_sent_and_its_thread_goes_on():
    with (
        smtp_server.running() as (handler, port),
        transport_to(port, connections=2) as transport,
        capture_logs() as logs,
    ):
        for number in range(4):
            transport.submit(number, mail(UNWRITABLE), 2)
        surprised = settle(transport)
        threads = list(transport._threads)
        transport.submit("next", mail(), 2)
        following = settle(transport)["next"]
        alive = [thread.is_alive() for thread in threads]

    assert surprised == dict.fromkeys(range(4), NotSent("UnicodeEncodeError"))
    assert following.code == 250
    assert alive == [True, True]
    assert len(handler.accepted) == 1
    told = {"event": "smtp_broke", "log_level": "error", "error": "UnicodeEncodeError"}
    assert logs == [told] * 4


def test_a_surprise_once_the_content_may_leave_means_lost():
    with (
        smtp_server.running() as (handler, port),
        transport_to(port, connections=1) as transport,
    ):
        transport.submit("odd", mail(data="text where bytes belong"), 2)
        odd = settle(transport)["odd"]
        transport.submit("next", mail(), 2)
        following = settle(transport)["next"]

    assert odd == Lost("TypeError")
    assert following.code == 250
    assert (len(handler.accepted), handler.connections) == (1, 2)


def test_a_thread_that_ended_all_the_same_is_replaced():
    with smtp_server.running() as (_, port), transport_to(port, connections=1) as transport:
        transport.submit("first", mail(), 5)
        first = settle(transport)["first"]
        transport._jobs.put(None)
        transport._threads[0].join(5)
        transport.submit("next", mail(), 2)
        following = settle(transport)["next"]

    assert (first.code, following) == (250, first)


def test_a_mail_for_which_no_thread_can_start_is_not_in_the_queue(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    with transport_to(1) as transport:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            transport.submit(1, mail(), 5)

        assert (transport.in_flight, transport._jobs.qsize()) == (0, 0)


@pytest.mark.parametrize("address", ["a@b.de>\r\nRCPT TO:<x@y.de", "a b@c.de", "a@b.de\n"])
def test_an_envelope_address_cannot_carry_commands(address):
    with transport_to(1) as transport:
        with pytest.raises(ValueError, match="envelope"):
            transport.submit(1, mail(address), 5)
        with pytest.raises(ValueError, match="envelope"):
            transport.submit(1, mail(sender=address), 5)
        assert transport.in_flight == 0


def test_http_is_not_for_this_transport():
    with transport_to(1) as transport, pytest.raises(TypeError):
        transport.submit(1, HttpRequest("GET", "http://127.0.0.1/"), 5)


def test_a_child_process_sends_through_threads_of_its_own():
    with smtp_server.running() as (handler, port), transport_to(port) as transport:
        transport.submit("parent", mail(), 5)
        assert settle(transport)["parent"].code == 250
        child = os.fork()
        if child == 0:
            transport.submit("child", mail(), 5)
            os._exit(0 if settle(transport)["child"].code == 250 else 1)
        until = time.monotonic() + 10
        while not (status := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < until:
            time.sleep(0.02)

    assert os.waitstatus_to_exitcode(status[1]) == 0
    assert len(handler.accepted) == 2
