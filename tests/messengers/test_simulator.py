"""The simulator: its API, its phones, and the hooks it brings over real HTTP."""

import json
import re
import stat
import threading
import time
from html import unescape

import pytest
from django.urls import reverse

from messengers.channels import account_of, create_channel
from messengers.contract import (
    Button,
    Content,
    Event,
    HttpResponse,
    Image,
    OptOutEvent,
    ReceiptEvent,
)
from messengers.contract import TextEvent as Text
from messengers.registry import adapter_for
from messengers.simulator import accounts, courier, store
from messengers.transports import HttpTransport, call
from privacy.access import Actor
from tests.profiles import OWN_HOUSE

PHONE, OTHER = "+4917604069001", "+4917604069002"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20


@pytest.fixture
def demo(settings, tmp_path, monkeypatch):
    """The demo's simulator with a folder of its own; the courier only works when asked."""
    settings.JAWORT_DEMO = True
    settings.JAWORT_VAR = tmp_path
    accounts.forget()
    monkeypatch.setattr(courier.courier, "ring", lambda: None)
    yield
    accounts.forget()


def make_account(origin="http://testserver", name="Stadtanzeiger", **settings):
    channel = create_channel(
        kind="simulator",
        name=name,
        settings={"number": "+4917604069000", **settings},
        secrets={"token": f"token-of-{name}-0123456789", "hook_secret": "hook-secret-0123456789"},
        profile=OWN_HOUSE,
        actor=Actor.system("tests"),
    )
    account = account_of(channel)
    accounts.forget()
    return adapter_for(account)


@pytest.fixture
def adapter(db, demo):
    return make_account()


def post(client, request):
    """Let the adapter's own request hit the simulator, without a network between."""
    path = request.url.partition("/simulator")[2]
    headers = dict(request.headers)
    content_type = headers.pop("content-type")
    answer = client.post(
        f"/simulator{path}", request.body, content_type=content_type, headers=headers
    )
    return HttpResponse(
        answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content
    )


def send(client, adapter, number=PHONE, text="Hallo", **content):
    message = adapter.render(Content(text, "de", **content)).fill({})
    request = adapter.request(number, message, "attempt1", {"media": content.get("media", "")})
    return adapter.answer(post(client, request))


def events(adapter):
    """What the hooks waiting to be delivered say, read by the adapter, after verification."""
    found: list[Event] = []
    while True:
        _account, ids, waiting = store.take_hooks(100, 60)
        if not ids:
            return found
        request = courier._request("http://x/", adapter.account.secrets["hook_secret"], waiting)
        assert adapter.verify(dict(request.headers), request.body)
        found += adapter.read_events(dict(request.headers), request.body)


def first(pattern, text):
    """What the pattern's group found first."""
    found = re.search(pattern, text)
    assert found, pattern
    return found[1]


def chat_of(client, number=PHONE):
    """The chat page of a phone as text."""
    phone = store.phone_of(number)
    return client.get(reverse("simulator-phone", args=[phone.id])).content.decode()


def test_a_message_arrives_on_the_phone_with_ticks_and_receipts(client, adapter):
    answer = send(client, adapter, text="Guten **Morgen** <b>\n\n> Zitat")

    assert answer.provider_id.startswith("sim-")
    page = chat_of(client)
    assert "Guten <strong>Morgen</strong> &lt;b&gt;" in page
    assert "<blockquote>Zitat</blockquote>" in page
    receipts = events(adapter)
    assert [(r.status, r.attempt, r.provider_id) for r in receipts] == [
        ("delivered", "attempt1", answer.provider_id),
        ("read", "attempt1", answer.provider_id),
    ]
    assert all(isinstance(receipt, ReceiptEvent) for receipt in receipts)


def test_a_text_travels_to_the_hook_and_is_ticked_when_taken(client, adapter):
    phone = store.phone_of(PHONE)
    store.rename(phone.id, "Ada")
    client.post(reverse("simulator-write", args=[phone.id]), {"text": " START "})

    assert "✓</span>" in chat_of(client)
    assert "✓✓" not in chat_of(client)
    _account, ids, waiting = store.take_hooks(100, 60)
    (event,) = adapter.read_events({}, courier._request("http://x/", "s", waiting).body)
    assert isinstance(event, Text)
    assert (event.sender, event.text, event.name) == (PHONE, "START", "Ada")
    store.hooks_done(ids)
    assert "✓✓" in chat_of(client)


def test_a_button_sends_its_payload_once_and_names_the_message(client, adapter):
    buttons = (Button("Ja, gern", payload="yes-1"), Button("Mehr", url="https://x.de/a"))
    answer = send(client, adapter, buttons=buttons)
    page = chat_of(client)
    assert 'href="https://x.de/a"' in page
    phone = store.phone_of(PHONE)
    events(adapter)

    press = reverse("simulator-press", args=[phone.id])
    client.post(press, {"button": f"{answer.provider_id}/0"})

    (event,) = events(adapter)
    assert (event.text, event.payload, event.reply_to) == ("Ja, gern", "yes-1", answer.provider_id)
    for wrong in (f"{answer.provider_id}/7", "sim-unknown/0", "", f"{answer.provider_id}/x"):
        assert client.post(press, {"button": wrong}).status_code == 404


def test_a_picture_is_uploaded_once_and_shown(client, adapter):
    image = Image("key", "Das Rathaus", "image/png")
    prepared = adapter.prepared(post(client, adapter.prepare(image, PNG)))
    message = adapter.render(Content("Neu", "de", image=image)).fill({})

    adapter.answer(post(client, adapter.request(PHONE, message, "a1", prepared)))

    page = chat_of(client)
    source = first(r'<img src="([^"]+)" alt="Das Rathaus">', page)
    picture = client.get(source)
    assert (picture.content, picture.headers["content-type"]) == (PNG, "image/png")


@pytest.mark.parametrize(
    ("data", "media_type"), [(b"<svg>", "image/svg+xml"), (b"<svg>", "image/png")]
)
def test_only_pictures_are_taken_as_pictures(client, adapter, data, media_type):
    answer = post(client, adapter.prepare(Image("k", "a", media_type), data))

    assert (answer.status, answer.json()["error"]["code"]) == (400, "bad_message")


def test_blocking_tells_the_newsroom_and_refuses_messages(client, adapter):
    phone = store.phone_of(PHONE)
    client.post(reverse("simulator-block", args=[phone.id]))

    (event,) = events(adapter)
    assert isinstance(event, OptOutEvent)
    assert (event.sender, event.cause) == (PHONE, "blocked")
    answer = send(client, adapter)
    assert (answer.reason, answer.code) == ("opted_out", "blocked")
    client.post(reverse("simulator-write", args=[phone.id]), {"text": "START"})
    assert events(adapter) == []

    client.post(reverse("simulator-block", args=[phone.id]))
    assert events(adapter) == []
    assert send(client, adapter).provider_id


def test_refusals_of_the_api(client, adapter):
    assert send(client, adapter, "+491760400404").reason == "permanent_recipient"
    stranger = adapter_for(
        type(adapter.account)(
            adapter.account.id, "simulator", {}, {"token": "wrong"}, "http://testserver", "x"
        )
    )
    assert send(client, stranger).code == "bad_token"
    assert client.post("/simulator/api/messages", "{}", "application/json").status_code == 401
    headers = dict(
        adapter.request(PHONE, adapter.render(Content("x", "de")).fill({}), "a", {}).headers
    )
    headers.pop("content-type")
    bodies = [
        b"", b"[]", b"{}", b'{"to": "x", "text": "y"}', b'{"to": "+4917604069001", "text": 5}',
        b'{"to": "+4917604069001", "text": ""}',
        json.dumps({"to": PHONE, "text": "x", "buttons": [{"label": "a"}]}).encode(),
        json.dumps(
            {"to": PHONE, "text": "x", "buttons": [{"label": "a", "url": "javascript:x"}]}
        ).encode(),
    ]  # fmt: skip
    for body in bodies:
        answer = client.post("/simulator/api/messages", body, "application/json", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_message"), body
    long = json.dumps({"to": PHONE, "text": "x" * 4097})
    answer = client.post("/simulator/api/messages", long, "application/json", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_a_broadcast_to_a_thousand_phones_is_quick(client, adapter):
    from messengers.contract import Call

    message = adapter.render(Content("Neues", "de")).fill({})
    started = time.process_time()
    for first in range(0, 1000, 100):
        calls = [
            Call(f"+49176{first + number:07d}1", message, f"a{first + number}")
            for number in range(100)
        ]
        answer = post(client, adapter.bulk_request(calls, {}))
        assert len({a.provider_id for a in adapter.bulk_answer(answer, 100)}) == 100
    seconds = time.process_time() - started

    assert store.count_phones() == 1000
    assert store.hooks_waiting() == 1000
    assert seconds < 2  # of CPU; ordinary is a tenth of that
    assert "1000" in client.get("/simulator/").content.decode()


def test_the_chat_is_only_sent_again_when_it_changed(client, adapter):
    send(client, adapter)
    phone = store.phone_of(PHONE)
    page = chat_of(client)
    poll = first(r'hx-get="([^"]+)"', page).replace("&amp;", "&")

    assert client.get(poll).status_code == 204
    send(client, adapter, text="Noch eine")
    answer = client.get(poll)
    assert (answer.status_code, "Noch eine" in answer.content.decode()) == (200, True)
    assert phone.number not in poll


def test_choosing_a_phone_puts_no_number_into_an_address(client, adapter):
    answer = client.post("/simulator/", {"number": "0176 04069001", "compose": "START"})

    assert answer.status_code == 302
    assert "?text=START" in answer.url
    assert "4069001" not in answer.url
    assert 'value="START"' in client.get(answer.url).content.decode()
    refused = client.post("/simulator/", {"number": "12"})
    assert (refused.status_code, "0176 04069001" in refused.content.decode()) == (400, True)


def test_a_deep_link_puts_its_word_into_the_composer_of_the_phone(client, adapter):
    store.phone_of(PHONE)
    link = adapter.deep_link("START Sport & Co.").partition("/simulator/")[2]

    phones = client.get(f"/simulator/{link}").content.decode()
    known = unescape(first(r'<a href="(/simulator/phones/[^"]+)"', phones))
    hidden = unescape(first(r'name="compose" value="([^"]*)"', phones))
    chosen = client.post("/simulator/", {"number": OTHER, "compose": hidden}).url

    for address in (known, chosen):
        phone = client.get(address).content.decode()
        assert first(r'id="text" name="text" value="([^"]*)"', phone) == "START Sport &amp; Co."


def test_chats_with_two_newsrooms_are_kept_apart(client, adapter):
    other = make_account(name="Abendblatt")
    send(client, adapter, text="vom Anzeiger")
    send(client, other, text="vom Abendblatt")
    phone = store.phone_of(PHONE)
    address = reverse("simulator-phone", args=[phone.id])

    first = client.get(f"{address}?with={adapter.account.id}").content.decode()
    second = client.get(f"{address}?with={other.account.id}").content.decode()

    assert ("vom Anzeiger" in first, "vom Abendblatt" in first) == (True, False)
    assert ("vom Anzeiger" in second, "vom Abendblatt" in second) == (False, True)


def test_a_phone_knows_the_newsroom_by_its_display_name(client, db, demo):
    make_account(name="Kanal 7", display_name="Stadt & Land")

    page = chat_of(client)

    assert "<h1>Stadt &amp; Land</h1>" in page
    assert "Kanal 7" not in page


def test_pages_need_a_csrf_token_and_the_api_does_not(adapter):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    phone = store.phone_of(PHONE)

    assert (
        strict.post(reverse("simulator-write", args=[phone.id]), {"text": "x"}).status_code == 403
    )
    assert send(strict, adapter).provider_id


def test_the_pages_hold_no_inline_script_or_style(client, adapter):
    send(client, adapter, buttons=(Button("a", payload="b"),))
    for page in (chat_of(client), client.get("/simulator/").content.decode()):
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|hx-on", page)


@pytest.mark.parametrize("path", ["/simulator/", "/simulator/mail/", "/simulator/api/messages"])
def test_outside_the_demo_there_is_no_simulator(client, adapter, settings, path):
    settings.JAWORT_DEMO = False

    assert client.get(path).status_code in (404, 405)
    assert client.post(path).status_code == 404


def test_the_store_is_closed_to_other_users(adapter, tmp_path):
    store.phone_of(PHONE)

    assert stat.S_IMODE((tmp_path / "simulator").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "simulator" / "simulator.sqlite3").stat().st_mode) == 0o600


# --- The courier ------------------------------------------------------------------------------


class Hook:
    """A hook on loopback that answers with the given statuses, one after the other."""

    def __init__(self, *statuses):
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        hook = self
        self.statuses = list(statuses)
        self.requests: list[tuple[dict[str, str], bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.requests.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(hook.statuses.pop(0) if hook.statuses else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/1/"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_hooks_are_signed_and_repeated_until_they_are_taken(demo, monkeypatch):
    hook = Hook(503, 200)
    store.save_account("account", "x", hook.url, "hook-secret-0123456789")
    store.write(store.phone_of(PHONE), "account", "STOP")
    transport = HttpTransport()

    assert courier.deliver(transport) is False
    assert (store.hooks_waiting(), len(hook.requests)) == (1, 1)
    assert courier.deliver(transport) is False, "it must not be due again at once"
    assert len(hook.requests) == 1
    later = time.time() + 5
    monkeypatch.setattr(time, "time", lambda: later)
    assert courier.deliver(transport) is True
    assert (store.hooks_waiting(), len(hook.requests)) == (0, 2)
    references = [json.loads(body)["events"][0]["id"] for _, body in hook.requests]
    assert references[0] == references[1]
    transport.close()
    hook.close()


def test_texts_go_before_receipts_and_receipts_in_hundreds(demo):
    hook = Hook()
    store.save_account("account", "x", hook.url, "hook-secret-0123456789")
    store.receive(
        [store.Received("account", f"+49176{n:08d}", "x", f"a{n}", []) for n in range(250)]
    )
    store.write(store.phone_of(PHONE), "account", "STOP")
    transport = HttpTransport()
    while courier.deliver(transport):
        pass

    sizes = [len(json.loads(body)["events"]) for _, body in hook.requests]
    assert sizes == [1, 100, 100, 50]
    assert json.loads(hook.requests[0][1])["events"][0]["text"] == "STOP"
    transport.close()
    hook.close()


def wait_until(condition, seconds=15):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_courier_delivers_by_itself_once_rung(settings, tmp_path, monkeypatch):
    settings.JAWORT_VAR = tmp_path
    hook = Hook()
    store.save_account("account", "x", hook.url, "hook-secret-0123456789")
    store.write(store.phone_of(PHONE), "account", "STOP")
    monkeypatch.setattr(courier, "QUIET", 0.2)
    ours = courier.Courier()
    ours.ring()
    wait_until(lambda: not store.hooks_waiting())

    assert len(hook.requests) == 1
    wait_until(lambda: ours._thread is None)
    store.write(store.phone_of(PHONE), "account", "START")
    ours.ring()
    wait_until(lambda: not store.hooks_waiting())
    assert len(hook.requests) == 2
    wait_until(lambda: ours._thread is None)
    hook.close()


def test_the_api_over_real_http(live_server, demo, settings):
    """The adapter, the transport and the simulator together, over a socket."""
    settings.JAWORT_ORIGIN = live_server.url
    adapter = make_account()
    message = adapter.render(Content("Über **Draht**", "de")).fill({})

    answer = adapter.answer(call(adapter.request(PHONE, message, "a1", {}), 10))

    assert answer.provider_id.startswith("sim-")
    (bubble,) = store.chat(PHONE, str(adapter.account.id))
    assert (bubble.text, bubble.state) == ("Über *Draht*", "delivered")
