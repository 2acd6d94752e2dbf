"""What is particular to mail: its form, its headers, its quotes."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from uuid import UUID

import pytest
import time_machine

from messengers.adapters.email.quotes import own_words
from messengers.adapters.email.replies import classify
from messengers.contract import (
    Account,
    Button,
    Content,
    Image,
    InDoubt,
    Message,
    RenderError,
    SmtpResponse,
)
from messengers.registry import adapter_for
from tests.messengers.payloads.cases import EMAIL

ATTEMPT = "k3" * 26
VALUES = {
    "first_name": "Änne",
    "newsletter": "Stadt-Anzeiger „Köln“",
    "preferences_url": "https://news.example.org/p/token-1",
    "unsubscribe_url": "https://news.example.org/u/token-2",
}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
IMAGE = Image("k", "Das Rathaus", "image/png")


def adapter(**settings):
    return adapter_for(EMAIL.account(**settings))


def request(text="Guten Tag, {first_name|Leserin}!", address="anna@example.net", **fields):
    values = VALUES | fields.pop("values", {})
    settings = fields.pop("settings", {})
    content = Content(text, "de", **{"subject": "Für {first_name|Sie}: Neues aus Köln", **fields})
    message = adapter(**settings).render(content).fill(values)
    return adapter(**settings).request(address, message, ATTEMPT, {"image": PNG})


def mail(*args, **fields):
    return message_from_bytes(request(*args, **fields).data, policy=policy.default)


def test_a_mail_counts_from_when_we_got_it_whatever_its_date_says():
    raw = b"From: anna@example.net\r\nDate: Fri, 20 Nov 2026 09:00:00 +0100\r\n\r\nSTOP\r\n"
    now = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)

    with time_machine.travel(now, tick=False):
        (event,) = adapter().read_events({}, raw)

    assert (event.text, event.at) == ("STOP", now)


def test_the_envelope_and_the_ids_name_only_the_attempt():
    sent = request()

    assert sent.mail_from == f"b+{ATTEMPT}@bounces.stadtanzeiger.example"
    assert sent.message_id == f"<{ATTEMPT}@stadtanzeiger.example>"
    assert len(sent.mail_from.partition("@")[0]) <= 64
    assert sent.rcpt == "anna@example.net"


def test_the_headers_of_a_newsletter():
    headers = dict(mail().items())

    assert headers["From"] == "Stadtanzeiger Köln <news@stadtanzeiger.example>"
    assert headers["To"] == "anna@example.net"
    assert headers["Reply-To"] == "antwort@stadtanzeiger.example"
    assert headers["Subject"] == "Für Änne: Neues aus Köln"
    assert headers["Message-ID"] == f"<{ATTEMPT}@stadtanzeiger.example>"
    assert headers["List-Id"].endswith(" <stadt-anzeiger-koln.stadtanzeiger.example>")
    assert headers["List-Unsubscribe"] == (
        "<https://news.example.org/u/token-2>,"
        f" <mailto:unsub+{ATTEMPT}@bounces.stadtanzeiger.example>"
    )
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["Precedence"] == "bulk"
    assert headers["Feedback-ID"] == "broadcast:stadt-anzeiger-koln:broadcast:jawort"
    assert "Auto-Submitted" not in headers
    assert headers["Date"].endswith("+0000")


@pytest.mark.parametrize(
    ("purpose", "kind"), [("confirmation", "auto-generated"), ("reply", "auto-replied")]
)
def test_the_headers_of_an_answer(purpose, kind):
    headers = mail(purpose=purpose)

    assert headers["Auto-Submitted"] == kind
    assert headers["X-Auto-Response-Suppress"] == "All"
    for name in ("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Precedence"):
        assert headers[name] is None
    assert "Abbestellen" not in headers.get_body(("plain",)).get_content()


def test_text_comes_first_and_both_parts_say_how_to_leave():
    sent = mail()

    assert sent.get_content_type() == "multipart/alternative"
    parts = list(sent.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    text, html = (part.get_content() for part in parts)
    assert "Guten Tag, Änne!" in text
    assert "Abbestellen: https://news.example.org/u/token-2" in text
    assert '<html lang="de">' in html
    assert 'href="https://news.example.org/u/token-2"' in html
    assert 'href="https://news.example.org/p/token-1"' in html
    assert "Stadtanzeiger Verlag GmbH" in text
    assert "Stadtanzeiger Verlag GmbH" in html
    assert "<img" not in html
    assert "<script" not in html


def test_an_english_mail_has_an_english_frame():
    content = Content("Good morning", "en", subject="News")
    text = adapter().render(content).fill(VALUES).text

    assert "Unsubscribe: https://news.example.org/u/token-2" in text
    assert "Preferences: " in text


def test_a_newsletter_without_a_way_out_is_not_sent():
    with pytest.raises(RenderError) as caught:
        request(values={"unsubscribe_url": ""})
    assert caught.value.code == "missing_value"
    assert request(purpose="test", values={"unsubscribe_url": ""})


def test_a_picture_travels_in_the_mail():
    sent = mail(image=IMAGE)

    related = list(sent.iter_parts())[1]
    assert related.get_content_type() == "multipart/related"
    html, picture = related.iter_parts()
    content_id = picture["Content-ID"].strip("<>")
    assert f'src="cid:{content_id}"' in html.get_content()
    assert 'alt="Das Rathaus"' in html.get_content()
    assert picture.get_content_type() == "image/png"
    assert picture.get_content() == PNG


def test_buttons_are_links_and_words_to_answer():
    sent = mail(buttons=(Button("Lesen", url="https://x.de/a"), Button("Ja, gern", payload="yes")))
    text = sent.get_body(("plain",)).get_content()
    html = sent.get_body(("html",)).get_content()

    assert "Lesen: https://x.de/a" in text
    assert 'Ja, gern: antworten Sie mit "Ja, gern"' in text
    assert 'href="https://x.de/a"' in html
    assert (
        "mailto:antwort@stadtanzeiger.example?subject=Ja%2C%20gern%20%5B%23yes%5D&amp;body=Ja"
        in html
    )


def test_what_a_button_writes_comes_back_as_its_payload():
    raw = (
        b"From: anna@example.net\r\nTo: antwort@stadtanzeiger.example\r\n"
        b"Subject: Ja, gern [#yes]\r\nMessage-ID: <1@x>\r\n\r\nJa, gern\r\n"
    )
    (event,) = adapter().read_events({}, raw)

    assert (event.text, event.payload) == ("Ja, gern", "yes")


def test_everything_on_the_wire_is_short_ascii():
    sent = request(
        "ä" * 5000 + " 🙂 " + "https://x.de/" + "a" * 1500,
        values={"newsletter": "Ö" * 90, "first_name": "Jürgen-Maximilian " * 8},
        image=IMAGE,
    )
    lines = sent.data.split(b"\r\n")

    assert sent.data.isascii()
    assert max(map(len, lines)) <= 998
    assert b"\n" not in sent.data.replace(b"\r\n", b"")
    assert b"\r" not in sent.data.replace(b"\r\n", b"")
    head = sent.data.partition(b"\r\n\r\n")[0]
    assert max(len(line) for line in head.split(b"\r\n") if line.startswith(b"Subject")) <= 78


@pytest.mark.parametrize("evil", ["x\r\nBcc: all@example.org", "x\nBcc: a@b.de", "x\r\n\r\nbody"])
def test_no_header_can_be_smuggled_in(evil):
    calm = list(mail().keys())

    assert list(mail(values={"first_name": evil, "newsletter": evil}).keys()) == calm
    assert list(mail(subject=f"An {evil}").keys()) == calm
    settings = {"from_name": evil, "reply_to": f"a@b.de{evil}"}
    assert list(mail(settings=settings).keys()) == calm


def test_a_subject_cannot_pretend_to_be_encoded():
    subject = mail(subject="=?utf-8?b?R2VsZA==?=")["Subject"]

    assert subject == "=?utf-8?b?R2VsZA==?="


def test_addresses_beyond_ascii_stay_as_they_are():
    sent = request(address="jürgen@example.net")

    assert "To: jürgen@example.net".encode() in sent.data


def test_a_sender_domain_beyond_ascii_is_written_in_ascii():
    """A server without SMTPUTF8 takes no other, and the return path is no reader's fault."""
    settings = {
        "from_address": "news@Köln.example",
        "reply_to": "antwort@köln.example",
        "bounce_domain": "rück.köln.example",
    }
    sent = request(settings=settings)
    headers = mail(settings=settings)

    assert sent.mail_from == f"b+{ATTEMPT}@xn--rck-hoa.xn--kln-sna.example"
    assert sent.message_id == f"<{ATTEMPT}@xn--kln-sna.example>"
    assert headers["From"].addresses[0].addr_spec == "news@xn--kln-sna.example"
    assert headers["Reply-To"] == "antwort@xn--kln-sna.example"
    assert headers["List-Id"].endswith(".xn--kln-sna.example>")
    assert sent.data.isascii()
    assert adapter(**settings).smtp_server().ehlo == "xn--kln-sna.example"


@pytest.mark.parametrize("domain", ["", "ö..example", "ö_ö.example"])
def test_a_sender_domain_that_cannot_exist_is_not_our_name_in_the_greeting(domain):
    assert adapter(from_address=f"news@{domain}").smtp_server().ehlo == "localhost"


@pytest.mark.parametrize("code", [-1, 25, 199, 300, 354, 600])
def test_a_reply_that_is_neither_yes_nor_no_leaves_it_open(code):
    assert adapter().answer(SmtpResponse(code)) == InDoubt("answer not understood")


def test_a_link_in_a_value_must_be_a_link():
    with pytest.raises(RenderError):
        request(values={"unsubscribe_url": "https://x.de/>\r\nBcc: a@b.de"})


def test_an_unknown_encryption_is_told_when_connecting():
    with pytest.raises(ValueError, match="starttls, tls or plain"):
        adapter(security="rot13").smtp_server()


@pytest.mark.parametrize(("given", "allowed"), [("yes", True), ("", False), ("no", False)])
def test_plain_text_has_to_be_allowed(given, allowed):
    assert adapter(plain_allowed=given).smtp_server().plain_allowed is allowed


def test_the_sender_may_do_without_optional_settings():
    account = Account(
        id=UUID(int=1),
        kind="email",
        settings={"from_address": "news@x.example", "host": "127.0.0.1"},
        secrets={},
        origin="https://x",
        name="Anzeiger",
    )
    bare = adapter_for(account)
    sent = bare.request("anna@example.net", Message("text", "<p>html</p>", "s"), "a1", {})

    assert sent.mail_from == "b+a1@x.example"
    assert b"From: Anzeiger <news@x.example>" in sent.data
    assert b"Reply-To" not in sent.data
    assert (bare.smtp_server().port, bare.smtp_server().security) == (587, "starttls")


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("STOP", "STOP"),
        ("STOP\r\n\r\n> JA\r\n> mehr", "STOP"),
        ("> JA\n>\n\nSTOP", "STOP"),
        ("Am 21.11.2026 um 09:00 schrieb Anzeiger:\n> JA\n\nSTOP", "STOP"),
        ("Am Sa., 21. Nov. 2026 um 09:00 Uhr schrieb Anzeiger <\nn@x.de>:\n\n> JA", ""),
        ("nein danke\n\nAm 21.11.26 um 9:00 schrieb Anzeiger:\nJA sagen", "nein danke"),
        ("no\n\nOn Sat, Nov 21, 2026 at 9:00 AM X <n@x.de> wrote:\n\n> YES", "no"),
        ("no\n\nOn Sat, Nov 21, 2026 at 9:00 AM Somebody With A Long Name\n<n@x.de> wrote:\n> Y",
         "no"),
        ("STOP\n\n-----Ursprüngliche Nachricht-----\nVon: X\nJA", "STOP"),
        ("STOP\n\n-----Original Message-----\nFrom: X\nYES", "STOP"),
        ("STOP\n\n________________________________\nVon: X <n@x.de>\nJA", "STOP"),
        ("STOP\n\nVon: X <n@x.de>\nGesendet: Samstag\nAn: Anna\nBetreff: Y\n\nJA", "STOP"),
        ("STOP\n\nFrom: X <n@x.de>\nSent: Saturday\nTo: Anna\nSubject: Y\n\nYES", "STOP"),
        ("STOP\n\nAnfang der weitergeleiteten Nachricht:\n\nJA", "STOP"),
        ("STOP\n-- \nAnna Muster\nJA-Straße 1", "STOP"),
        ("STOP\n\nVon meinem iPhone gesendet", "STOP"),
        ("Gesendet mit der GMX Mail App\nSTOP", "STOP"),
        ("STOP\n\nSent from my phone", "STOP"),
        ("STOP\n\nGet Outlook for iOS", "STOP"),
        # What looks a little like a quotation and is none
        ("Am Montag schrieb ich:\nSTOP", "Am Montag schrieb ich:\nSTOP"),
        ("Am Montag war zu. Wer schrieb das?", "Am Montag war zu. Wer schrieb das?"),
        ("On time: never.", "On time: never."),
        ("Von: hier nach dort", "Von: hier nach dort"),
        ("a\n\n\n\nb", "a\n\nb"),
        ("", ""),
    ],
)  # fmt: skip
def test_only_the_writers_own_words_count(text, own):
    assert own_words(text) == own


@pytest.mark.parametrize("code", range(400, 600))
def test_every_reply_has_a_reaction(code):
    reason, scope = classify(code, "", "")

    assert scope in ("recipient", "account")
    assert (reason == "temporary") == (code < 500 or code == 552)
