"""One test for every registered messenger: what the engine may rely on, whoever the provider is."""

import json
import random
import socket
import time
from datetime import datetime

import pytest

from messengers.contract import (
    ATTEMPT_MAX,
    Accepted,
    BadAddress,
    BadPayload,
    Button,
    Call,
    Content,
    HttpRequest,
    HttpResponse,
    Image,
    InDoubt,
    Lost,
    Refused,
    RenderError,
    SmtpRequest,
    SmtpResponse,
)
from messengers.registry import ADAPTERS, adapter_for, kind_choices
from messengers.signature import signed_headers
from messengers.transports import transport_for
from tests.messengers.payloads.cases import CASES, PASSWORD, SECRET
from tests.messengers.test_transports_http import settle
from tests.standins import http_provider, smtp_server
from tests.standins.http_provider import TOKEN, Provider

ATTEMPT = "a" * ATTEMPT_MAX
VALUES = {
    "first_name": "Ada",
    "last_name": "Muster",
    "newsletter": "Stadtanzeiger",
    "preferences_url": "https://news.example.org/p/token-1",
    "unsubscribe_url": "https://news.example.org/u/token-2",
}
HOSTILE = [
    "<script>alert(1)</script>",
    "*fett* _kursiv_ `code` > Zitat",
    "{first_name} {{last_name}}",
    "[klick](javascript:alert(1))",
    "\r\nBcc: everybody@example.org\r\n\r\nx",
    'x" onmouseover="alert(1)',
    "\u202egnp.exe\ue0000\ue001\x00\x1b[31m",
    "=?utf-8?q?Geld?=",
]


def content(text="Guten Tag, {first_name|Leserin}!", **fields):
    return Content(text, "de", **{"subject": "Neues", **fields})


@pytest.fixture(params=sorted(ADAPTERS), autouse=True)
def case(request):
    return CASES[request.param]


@pytest.fixture
def adapter(case):
    return adapter_for(case.account())


@pytest.fixture
def no_network(monkeypatch):
    """An adapter that opens a socket or a file is none."""

    def refuse(*args, **kwargs):
        raise AssertionError("an adapter did I/O")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr("builtins.open", refuse)


def test_every_messenger_is_registered_once_with_its_case(case):
    assert set(CASES) == set(ADAPTERS)
    assert (case.kind, ADAPTERS[case.kind].label) in kind_choices()
    assert ADAPTERS[case.kind].kind == case.kind


def test_an_unknown_kind_is_told_with_the_known_ones(case):
    from dataclasses import replace

    with pytest.raises(LookupError, match=case.kind):
        adapter_for(replace(case.account(), kind="carrier-pigeon"))


# --- Addresses --------------------------------------------------------------------------------


def test_all_spellings_of_an_address_become_one(case, adapter, no_network):
    for spelling, canonical in case.spellings:
        assert adapter.canonical(spelling) == canonical
        assert adapter.canonical(canonical) == canonical


def test_what_is_no_address_is_refused_without_being_repeated(case, adapter):
    for wrong in case.not_addresses:
        with pytest.raises(BadAddress) as caught:
            adapter.canonical(wrong)
        assert not wrong.strip() or wrong not in str(caught.value)


def test_a_mask_shows_too_little_to_write_to(case, adapter):
    masked = adapter.mask(case.address)

    assert masked != case.address
    with pytest.raises(BadAddress):
        adapter.canonical(masked)
    assert adapter.mask("") == "•••"


# --- What goes out ----------------------------------------------------------------------------


def test_a_request_reaches_a_provider_and_its_answer_is_understood(case, adapter):
    """Over real HTTP or SMTP, to a stand-in that shares no code with us."""
    message = adapter.render(content()).fill(VALUES)
    if adapter.transport == "http":
        provider = Provider()
        with http_provider.running(provider) as base:
            adapter = adapter_for(case.account(base_url=base))
            answers = exchange(adapter, message, [case.address, "+491760400404", "+491760400403"])
        assert [entry["attempt"] for entry in provider.accepted] == [ATTEMPT]
    else:
        with smtp_server.running() as (handler, port):
            adapter = adapter_for(case.account(port=port))
            answers = exchange(
                adapter, message, [case.address, "unknown@example.net", "full@example.net"]
            )
        assert len(handler.accepted) == 1
    assert isinstance(answers[0], Accepted)
    assert answers[0].provider_id
    assert answers[1].reason == "permanent_recipient"
    assert isinstance(answers[2], Refused)


def exchange(adapter, message, addresses):
    """The answers to one message to each address."""
    transport = transport_for(adapter)
    for address in addresses:
        transport.submit(address, adapter.request(address, message, ATTEMPT, {}), 10)
    outcomes = settle(transport)
    transport.close()
    assert not any(isinstance(outcome, Lost) for outcome in outcomes.values())
    return [adapter.answer(outcomes[address]) for address in addresses]


def test_every_known_answer_has_its_meaning(case, adapter, no_network):
    for response, meaning in case.answers:
        assert adapter.answer(response) == meaning, response


def test_no_answer_makes_an_adapter_fail(adapter):
    """Garbage is never an acceptance, and never an exception."""
    rng = random.Random(7)
    bodies = [b"", b"null", b"5", b'"x"', b"[]", b'{"id": 5}', b'{"id": ""}', b'{"error": "x"}',
              b'{"error": {"code": []}}', b'{"results": [1]}']  # fmt: skip
    bodies += [rng.randbytes(rng.randrange(60)) for _ in range(300)]
    for body in bodies:
        for status in (200, 201, 400, 403, 404, 429, 500, 503):
            headers = {"retry-after": body.decode("latin-1")}
            answer = adapter.answer(HttpResponse(status, headers, body))
            assert isinstance(answer, Refused | InDoubt)
    for code in range(300, 600):
        answer = adapter.answer(SmtpResponse(code, "9.9.9", "\x00" * 5))
        assert isinstance(answer, Refused | InDoubt)


def test_a_bulk_call_says_the_same_as_single_calls(case, adapter):
    if adapter.capabilities.bulk == 1:
        with pytest.raises(NotImplementedError):
            adapter.bulk_request([], {})
        return
    message = adapter.render(content()).fill(VALUES)
    addresses = [case.address, "+491760400404", "+491760400403", "+4917604069009"]
    provider = Provider()
    with http_provider.running(provider) as base:
        adapter = adapter_for(case.account(base_url=base))
        transport = transport_for(adapter)
        calls = [Call(address, message, f"a{n}") for n, address in enumerate(addresses)]
        transport.submit("bulk", adapter.bulk_request(calls, {}), 10)
        answers = adapter.bulk_answer(settle(transport)["bulk"], len(calls))
        transport.close()
    kinds = [getattr(answer, "reason", "accepted") for answer in answers]
    assert kinds == ["accepted", "permanent_recipient", "opted_out", "accepted"]
    assert [entry["attempt"] for entry in provider.accepted] == ["a0", "a3"]


def test_a_bulk_answer_of_the_wrong_size_leaves_everything_open(adapter):
    if adapter.capabilities.bulk == 1:
        return
    short = HttpResponse(200, {}, b'{"results": [{"id": "1"}]}')

    assert all(isinstance(answer, InDoubt) for answer in adapter.bulk_answer(short, 2))
    refusal = HttpResponse(429, {"retry-after": "3"}, b"")
    assert {a.reason for a in adapter.bulk_answer(refusal, 2)} == {"throttled"}


def test_secrets_stand_in_no_repr_and_in_no_address(case, adapter):
    request = adapter.request(case.address, adapter.render(content()).fill(VALUES), ATTEMPT, {})
    shown = " ".join(map(repr, (adapter, adapter.account, request)))
    if isinstance(request, HttpRequest):
        assert TOKEN in str(request.headers), "the secret is there, so its absence below is news"
        assert TOKEN not in request.url
    else:
        assert isinstance(request, SmtpRequest)
        assert adapter.smtp_server().password == PASSWORD
        shown += repr(adapter.smtp_server())
    for secret in (*case.secrets.values(), case.address):
        assert secret not in shown


# --- Rendering and limits ---------------------------------------------------------------------


def wire(adapter, case, message):
    """Everything of a message that leaves, decoded: header values and texts."""
    request = adapter.request(case.address, message, ATTEMPT, case.prepared)
    if isinstance(request, HttpRequest):
        return {"body": json.loads(request.body)}
    from email import message_from_bytes, policy

    mail = message_from_bytes(request.data, policy=policy.default)
    return {"mail": mail, "raw": request.data}


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_becomes_markup_or_a_header(case, adapter, value, no_network):
    harmless = adapter.render(content("Tag {first_name|x}.", subject="An {first_name|x}"))
    plain = wire(adapter, case, harmless.fill(VALUES))
    hostile = wire(adapter, case, harmless.fill(VALUES | {"first_name": value}))

    if "mail" in plain:
        assert hostile["mail"].keys() == plain["mail"].keys()
        assert hostile["mail"].defects == []
        html = hostile["mail"].get_body(("html",)).get_content()
        calm = plain["mail"].get_body(("html",)).get_content()
        assert html.count("<") == calm.count("<")
        assert html.count('"') == calm.count('"')
        assert "\u202e" not in html
    else:
        from messengers.render.chat_html import chat_to_html

        html = chat_to_html(hostile["body"]["text"])
        assert "<" not in html.replace("<br>", "")


def test_the_same_content_and_values_give_the_same_message(adapter, no_network):
    rendered = adapter.render(content(buttons=(Button("Mehr", url="https://x.de"),)))

    assert rendered.fill(VALUES) == rendered.fill(VALUES)
    assert rendered.fill(VALUES) != rendered.fill(VALUES | {"first_name": "Bert"})


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"text": ""}, "empty"),
        ({"text": "{phone}"}, "unknown_name"),
        ({"text": "{first_name"}, "unclosed"),
        ({"text": "Hallo {first_name}"}, "fallback_missing"),
        ({"text": "[x](javascript:alert)"}, "bad_link"),
        ({"text": "[x](ftp://x.de)"}, "bad_link"),
        ({"text": "[x](//x.de)"}, "bad_link"),
        ({"text": "https://x.de/?n={first_name|x}"}, "slot_in_url"),
        ({"text": "![x](https://x.de/a.png)"}, "inline_image"),
        ({"text": "x" * 20_001}, "too_long"),
        ({"buttons": (Button("x" * 61, payload="x"),)}, "button_label"),
        ({"buttons": (Button(" ", payload="x"),)}, "button_empty"),
        ({"buttons": (Button("a", url="javascript:x"),)}, "button_link"),
        ({"buttons": (Button("a", url="https://x.de/{first_name|x}"),)}, "button_link"),
        ({"buttons": (Button("a", payload="x"),) * 99}, "buttons_too_many"),
        ({"image": Image("k", "alt", "image/svg+xml")}, "image_type"),
        ({"image": Image("k", " ", "image/png")}, "image_alt"),
    ],
)
def test_problems_are_told_while_writing_and_stop_the_rendering(adapter, fields, code):
    fields = {"text": "Guten Tag"} | fields
    faulty = content(fields.pop("text"), **fields)

    problems = adapter.check(faulty)

    assert code in [problem.code for problem in problems]
    with pytest.raises(RenderError):
        adapter.render(faulty)
    assert all("%(" not in problem.message for problem in problems)


def test_a_good_content_has_no_problems(adapter):
    good = content(
        "# {newsletter}\n\nTag {first_name|Leserin}\n\n- [a](https://x.de)\n- {preferences_url}",
        buttons=(Button("Mehr", url="{preferences_url}"), Button("Ja", payload="yes")),
        image=Image("k", "Rathaus", "image/png"),
    )

    assert adapter.check(good) == []
    message = adapter.render(good).fill(VALUES)
    assert [button.url for button in message.buttons] == [VALUES["preferences_url"], ""]


def test_text_is_measured_in_the_messengers_unit_after_rendering(adapter):
    able = adapter.capabilities
    if not able.text_max:
        return
    fits = content("ä" * (able.text_max - 3) + "{first_name|Leo}")
    longer = content("ä" * (able.text_max - 3) + "{first_name|Leon}")

    assert adapter.check(fits) == []
    assert [problem.code for problem in adapter.check(longer)] == ["too_long"]
    with_image = content("ä" * (able.caption_max + 1), image=Image("k", "a", "image/png"))
    assert [problem.code for problem in adapter.check(with_image)] == ["too_long"]


def test_one_persons_long_name_stops_only_that_message(adapter):
    able = adapter.capabilities
    label = able.button_label_max - 5
    rendered = adapter.render(
        content(buttons=(Button("x" * label + "{first_name|Leo}", payload="x"),))
    )

    assert rendered.fill(VALUES)
    with pytest.raises(RenderError):
        rendered.fill(VALUES | {"first_name": "Maximiliane"})
    assert rendered.fill(VALUES)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "x", "https://x.de/ y", "//x.de", "a@b.de"])
def test_a_value_for_a_link_must_be_one(adapter, url):
    rendered = adapter.render(content("{preferences_url}"))

    assert VALUES["preferences_url"] in rendered.fill(VALUES).text
    with pytest.raises(RenderError) as caught:
        rendered.fill(VALUES | {"preferences_url": url})
    assert caught.value.code == "bad_link"


def test_a_missing_value_without_fallback_is_an_error_for_that_person(adapter):
    rendered = adapter.render(content("{newsletter}"))

    with pytest.raises(RenderError) as caught:
        rendered.fill({"unsubscribe_url": VALUES["unsubscribe_url"]})
    assert caught.value.code == "missing_value"


def test_filling_is_fast(adapter):
    rendered = adapter.render(content())
    best = min(timed(rendered) for _ in range(5))

    assert best < 200e-6  # seconds of CPU; ordinary is 4 to 13 µs


def timed(rendered, rounds=200):
    started = time.process_time()
    for _ in range(rounds):
        rendered.fill(VALUES)
    return (time.process_time() - started) / rounds


def test_a_picture_too_large_is_refused_before_sending(adapter):
    image = Image("k", "a", "image/png")

    adapter.prepare(image, b"x" * 100)
    with pytest.raises(RenderError):
        adapter.prepare(image, b"x" * (adapter.capabilities.image_max_bytes + 1))


def test_content_survives_json():
    whole = content(
        buttons=(Button("a", url="https://x.de"), Button("b", payload="c")),
        image=Image("k", "alt", "image/png"),
        purpose="confirmation",
    )

    assert Content.from_json(json.loads(json.dumps(whole.to_json()))) == whole
    assert Content.from_json(content().to_json()) == content()


@pytest.mark.parametrize("button", [{}, {"url": "https://x.de", "payload": "x"}])
def test_a_button_does_one_thing(button):
    with pytest.raises(ValueError, match="exactly one"):
        Button("a", **button)


# --- What comes in ----------------------------------------------------------------------------


def test_hooks_bring_the_events_in_them(case, adapter, request):
    bodies = {name: case.payload(name) for name in case.hooks}
    request.getfixturevalue("no_network")
    for name, expected in case.hooks.items():
        events = adapter.read_events({}, bodies[name])
        assert len(events) == len(expected), name
        for event, fields in zip(events, expected, strict=True):
            assert isinstance(event, fields["type"]), name
            for key, value in fields.items():
                if key != "type":
                    assert getattr(event, key) == value, (name, key)
            assert isinstance(event.at, datetime)
            assert event.at.tzinfo is not None
            assert 0 < len(event.ref) <= 64
            assert "@" not in event.ref


def test_every_payload_file_has_its_meaning(case):
    from tests.messengers.payloads.cases import FOLDER

    assert {path.name for path in (FOLDER / case.kind).iterdir()} == set(case.hooks)


def test_the_same_body_brings_the_same_references(case, adapter):
    for name in case.hooks:
        first, second = (adapter.read_events({}, case.payload(name)) for _ in range(2))
        assert [event.ref for event in first] == [event.ref for event in second]


def test_an_unreadable_body_is_told_as_such(case, adapter):
    for body in case.unreadable:
        with pytest.raises(BadPayload):
            adapter.read_events({}, body)


def test_no_body_makes_an_adapter_fail_otherwise(case, adapter):
    """Fuzz: cut, flipped and stirred payloads give events or `BadPayload`, and nothing else."""
    rng = random.Random(11)
    for name in case.hooks:
        body = case.payload(name)
        for _ in range(40):
            mutant = bytearray(body)
            for _ in range(rng.randrange(1, 8)):
                place = rng.randrange(len(mutant))
                mutant[place] = rng.randrange(256)
            if rng.random() < 0.3:
                del mutant[rng.randrange(len(mutant)) :]
            try:
                adapter.read_events({}, bytes(mutant))
            except BadPayload:
                continue


def test_a_signed_hook_is_believed(case, adapter, no_network):
    body = b'{"events": []}'

    assert adapter.verify(signed_headers(SECRET, "ref-1", body), body)


def test_a_single_flipped_bit_anywhere_is_refused(adapter):
    body = b'{"events": [1, 2, 3]}'
    headers = signed_headers(SECRET, "ref-1", body)
    refused = 0
    for position in range(len(body) * 8):
        mutant = bytearray(body)
        mutant[position // 8] ^= 1 << position % 8
        refused += not adapter.verify(headers, bytes(mutant))
    for name, value in headers.items():
        for position in range(len(value) * 7):
            letters = list(value)
            letters[position // 7] = chr(ord(letters[position // 7]) ^ 1 << position % 7)
            refused += not adapter.verify(headers | {name: "".join(letters)}, body)
    assert refused == len(body) * 8 + sum(len(value) * 7 for value in headers.values())


def test_hooks_without_signature_secret_or_fresh_time_are_refused(case, adapter):
    body = b"x"
    headers = signed_headers(SECRET, "ref-1", body)
    assert adapter.verify(headers, body)

    for name in headers:
        assert not adapter.verify({k: v for k, v in headers.items() if k != name}, body)
    assert not adapter.verify({}, body)
    assert not adapter.verify(signed_headers("another-secret-0123456", "ref-1", body), body)
    for secret in ("", "short"):
        from dataclasses import replace

        silent = adapter_for(replace(case.account(), secrets={"hook_secret": secret}))
        assert not silent.verify(signed_headers(secret, "ref-1", body), body)


@pytest.mark.parametrize(("age", "believed"), [(0, 1), (290, 1), (310, 0), (-290, 1), (-310, 0)])
def test_a_hook_is_believed_for_five_minutes(adapter, monkeypatch, age, believed):
    headers = signed_headers(SECRET, "ref-1", b"x")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + age)

    assert adapter.verify(headers, b"x") is bool(believed)


def test_no_handshake_is_answered_for_nothing(adapter):
    assert adapter.handshake("GET", {"hub.challenge": "x", "challenge": "y"}) is None


def test_a_deep_link_carries_the_text(adapter):
    link = adapter.deep_link("START")

    assert link is None or "START" in link
