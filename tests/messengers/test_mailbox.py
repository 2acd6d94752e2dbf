"""The demo's mailbox, its pages, and mail that comes in through `manage.py receive_mail`."""

import io
import os
import smtplib
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from messengers.channels import account_of, create_channel
from messengers.contract import Content, Image, OptOutEvent, SmtpRequest, TextEvent
from messengers.mailbox import store
from messengers.mailbox.server import controller
from messengers.registry import adapter_for
from messengers.transports import SmtpTransport
from privacy.access import Actor
from tests.messengers.test_simulator import PNG, Hook, first
from tests.messengers.test_transports_http import settle
from tests.profiles import OWN_HOUSE

PROJECT = Path(__file__).resolve().parent.parent.parent
SECRET = "hook-secret-0123456789"
ANNA = "anna@example.net"
EX_DATAERR, EX_TEMPFAIL = 65, 75


@pytest.fixture
def demo(settings, tmp_path):
    settings.JAWORT_DEMO = True
    settings.JAWORT_VAR = tmp_path


@pytest.fixture
def mailbox(demo):
    """The receiving server on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = controller(port)
    server.start()
    yield port
    server.stop()


def make_adapter(port=1, **settings):
    channel = create_channel(
        kind="email",
        name="Stadtanzeiger",
        settings={
            "from_address": "news@stadtanzeiger.example",
            "from_name": "Stadtanzeiger",
            "reply_to": "antwort@stadtanzeiger.example",
            "bounce_domain": "bounces.stadtanzeiger.example",
            "host": "127.0.0.1",
            "port": str(port),
            "security": "plain",
            **settings,
        },
        secrets={"hook_secret": SECRET},
        profile=OWN_HOUSE,
        actor=Actor.system("tests"),
    )
    return adapter_for(account_of(channel))


def deliver(adapter, port, attempt="attempt1", image=None, **values):
    content = Content("Guten Tag, [lesen](https://x.de/a)", "de", "Neues <aus> Köln", image=image)
    values = {"unsubscribe_url": "http://testserver/u/token/", "newsletter": "Anzeiger"} | values
    message = adapter.render(content).fill(values)
    request = adapter.request(ANNA, message, attempt, {"image": PNG})
    transport = SmtpTransport(adapter.smtp_server())
    transport.submit("mail", request, 10)
    outcome = settle(transport)["mail"]
    transport.close()
    assert outcome.code == 250
    assert isinstance(request, SmtpRequest)


def test_a_mail_sent_by_smtp_is_shown(client, db, mailbox):
    deliver(make_adapter(mailbox), mailbox)

    listed = client.get("/simulator/mail/").content.decode()
    assert "Neues &lt;aus&gt; Köln" in listed
    assert ANNA in listed
    (mail,) = store.newest(10)
    assert (mail.rcpt, mail.mail_from) == (ANNA, "b+attempt1@bounces.stadtanzeiger.example")
    page = client.get(reverse("mailbox-mail", args=[mail.id])).content.decode()
    assert "lesen (<a href=&quot;" not in page
    assert 'href="https://x.de/a"' in page
    assert "List-Unsubscribe-Post" in page
    assert ANNA not in reverse("mailbox-mail", args=[mail.id])
    source = client.get(reverse("mailbox-source", args=[mail.id]))
    assert source.content == store.raw(mail.id)
    assert source.headers["content-type"] == "text/plain; charset=utf-8"


def test_the_html_part_is_shown_behind_bars(client, db, mailbox):
    image = Image("k", "Bild", "image/png")
    deliver(make_adapter(mailbox), mailbox, image=image)
    (mail,) = store.newest(1)
    page = client.get(reverse("mailbox-mail", args=[mail.id])).content.decode()
    frame = first(r"(<iframe[^>]*>)", page)
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame

    answer = client.get(reverse("mailbox-html", args=[mail.id]))

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-popups" in policy
    assert "script" not in policy
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert 'src="data:image/png;base64,' in answer.content.decode()
    assert "cid:" not in answer.content.decode()


def test_mails_can_be_narrowed_to_one_address(client, demo):
    for name in ("anna", "bert", "anna"):
        store.keep("b@x.example", f"{name}@example.net", b"Subject: an %s\r\n\r\nx" % name.encode())

    answer = client.post("/simulator/mail/", {"rcpt": "Anna@example.net"})

    listed = answer.content.decode()
    assert (listed.count("an anna"), listed.count("an bert")) == (2, 0)


def test_the_oldest_mails_make_room(demo):
    ids = [store.keep("b@x.example", ANNA, b"Subject: %d\r\n\r\n" % n) for n in range(5)]

    assert store.prune(3) == 2
    assert [mail.id for mail in store.newest(9)] == ids[:1:-1]


def test_the_mailbox_is_closed_to_other_users(demo, tmp_path):
    mail_id = store.keep("", ANNA, b"Subject: x\r\n\r\n")

    assert stat.S_IMODE((tmp_path / "mailbox").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "mailbox" / f"{mail_id}.eml").stat().st_mode) == 0o600


@pytest.mark.parametrize("mail_id", ["x", "..", "0" * 19 + "-" + "0" * 12])
def test_an_unknown_mail_is_not_found(client, demo, mail_id):
    assert client.get(f"/simulator/mail/{mail_id}/").status_code == 404
    assert store.mail(mail_id) is None


def test_an_answer_goes_to_the_hook_as_if_from_a_mail_server(client, db, mailbox, settings):
    hook = Hook()
    settings.JAWORT_ORIGIN = hook.url.partition("/hooks")[0]
    adapter = make_adapter(mailbox)
    deliver(adapter, mailbox)
    (mail,) = store.newest(1)

    client.post(reverse("mailbox-reply", args=[mail.id]), {"text": "STOP bitte"})

    ((headers, body),) = hook.requests
    assert adapter.verify(headers, body)
    (event,) = adapter.read_events(headers, body)
    assert isinstance(event, TextEvent)
    assert (event.sender, event.text, event.attempt) == (ANNA, "STOP bitte", "attempt1")
    hook.close()


def test_an_answer_that_nobody_takes_is_said_to_be_so(client, db, mailbox, settings):
    settings.JAWORT_ORIGIN = "http://127.0.0.1:9"
    deliver(make_adapter(mailbox), mailbox)
    (mail,) = store.newest(1)

    answer = client.post(
        reverse("mailbox-reply", args=[mail.id]),
        {"text": "STOP"},
        headers={"accept-language": "en"},
        follow=True,
    )

    assert "was not taken" in answer.content.decode()


# --- manage.py receive_mail -------------------------------------------------------------------

RAW = b"From: Anna <anna@example.net>\r\nSubject: STOP\r\nMessage-ID: <m1@example.net>\r\n\r\n\r\n"


def receive(monkeypatch, channel, raw=RAW, **options):
    """Run the command; gives its exit code."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
    try:
        call_command("receive_mail", str(channel), stderr=io.StringIO(), **options)
    except SystemExit as exit:
        return exit.code
    return 0


def test_a_piped_mail_reaches_the_hook_signed(db, monkeypatch, settings):
    hook = Hook()
    settings.JAWORT_ORIGIN = hook.url.partition("/hooks")[0]
    adapter = make_adapter()
    recipient = "unsub+attempt9@bounces.stadtanzeiger.example"

    assert receive(monkeypatch, adapter.account.id, recipient=recipient, sender=ANNA) == 0

    ((headers, body),) = hook.requests
    assert body.startswith(b"Return-Path: <anna@example.net>\r\nDelivered-To: unsub+attempt9@")
    assert adapter.verify(headers, body)
    (event,) = adapter.read_events(headers, body)
    assert isinstance(event, OptOutEvent)
    assert (event.sender, event.cause, event.attempt) == (ANNA, "unsubscribed", "attempt9")
    hook.close()


def test_the_same_mail_twice_has_the_same_reference(db, monkeypatch, settings):
    hook = Hook()
    settings.JAWORT_ORIGIN = hook.url.partition("/hooks")[0]
    adapter = make_adapter()
    for _ in range(2):
        receive(monkeypatch, adapter.account.id)

    first, second = (adapter.read_events(h, body)[0].ref for h, body in hook.requests)
    assert first == second
    assert hook.requests[0][0]["webhook-id"] == hook.requests[1][0]["webhook-id"]
    hook.close()


@pytest.mark.parametrize("status", [403, 413, 500, 503])
def test_a_hook_that_refuses_makes_the_mail_server_try_again(db, monkeypatch, settings, status):
    hook = Hook(status)
    settings.JAWORT_ORIGIN = hook.url.partition("/hooks")[0]

    assert receive(monkeypatch, make_adapter().account.id) == EX_TEMPFAIL
    hook.close()


def test_nobody_home_makes_the_mail_server_try_again(db, monkeypatch, settings):
    settings.JAWORT_ORIGIN = "http://127.0.0.1:9"

    assert receive(monkeypatch, make_adapter().account.id) == EX_TEMPFAIL


def test_an_unknown_channel_makes_the_mail_server_try_again(db, monkeypatch):
    assert receive(monkeypatch, "018f0000-0000-7000-8000-000000000000") == EX_TEMPFAIL


def test_a_mail_that_is_too_large_is_given_back(db, monkeypatch):
    assert receive(monkeypatch, make_adapter().account.id, raw=b"x" * 4_200_000) == EX_DATAERR


def test_a_mail_host_needs_only_the_secret(db, monkeypatch, settings, tmp_path):
    hook = Hook()
    adapter = make_adapter()
    secret_file = tmp_path / "secret"
    secret_file.write_text(f"{SECRET}\n")

    origin = hook.url.partition("/hooks")[0]
    code = receive(
        monkeypatch, "018f0000-0000-7000-8000-000000000000", secret_file=secret_file, origin=origin
    )

    assert code == 0
    assert adapter.verify(*hook.requests[0])
    hook.close()


# --- manage.py mailbox ------------------------------------------------------------------------


def test_a_taken_port_is_told_in_one_sentence(demo):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"{port}.*JAWORT_MAILBOX_PORT"):
            call_command("mailbox", port=port)


@pytest.mark.slow
def test_the_command_runs_until_it_is_told_to_stop(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings_test",
        "JAWORT_VAR": str(tmp_path),
    }
    process = subprocess.Popen(
        [sys.executable, "manage.py", "mailbox", "--port", str(port)],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert f"127.0.0.1:{port}" in process.stdout.readline()
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as smtp:
        smtp.sendmail("a@example.org", [ANNA], "Subject: da\r\n\r\nx")
    process.terminate()

    assert process.wait(10) == 0
    assert len(list((tmp_path / "mailbox").glob("*.eml"))) == 1
