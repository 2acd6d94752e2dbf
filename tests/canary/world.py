"""A small newsroom with real servers on the other side, and all that a person can live through."""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from broadcasts.actions import create_broadcast, start
from config.demo.newsroom import CONTROLLER, NEWSLETTER, TOPICS
from messengers import engine, tasks
from messengers.channels import create_channel
from messengers.models import Channel, InboundEvent
from messengers.signature import signed_headers
from privacy.access import Actor
from privacy.access.actions import create_staff, create_token, grant_role
from privacy.models import Controller, Grant, Request, User
from privacy.requests.erasure.machine import complete_erasure
from subscriptions.actions import create_newsletter
from subscriptions.exports import subscribers_csv
from subscriptions.models import Newsletter, Subscription
from tests.canary.visitor import WRITTEN, Visitor
from tests.profiles import OWN_HOUSE
from tests.standins import http_provider, smtp_server

SYSTEM = Actor.system("canary")
LINK = re.compile(r"https?://[^/\s]+(/[cpur]/[^\s\"<>]+)")


@dataclass(frozen=True)
class Canaries:
    """Values that exist nowhere else: of one person, of one who is imported, and our own secrets.

    The last digits are chosen so that the stand-in has nothing against the numbers.
    """

    phone: str = field(default_factory=lambda: f"+49176{secrets.randbelow(10**7):07}1")
    email: str = field(default_factory=lambda: f"zeisig.{secrets.token_hex(6)}@example.org")
    name: str = field(default_factory=lambda: f"Zaunkoenigin{secrets.token_hex(6)}")
    text: str = field(default_factory=lambda: f"Im Nest {secrets.token_hex(8)} liegt ein Ei")
    provider_id: str = field(default_factory=lambda: f"wamid.{secrets.token_hex(12)}")
    imported_phone: str = field(default_factory=lambda: f"+49151{secrets.randbelow(10**7):07}2")
    imported_name: str = field(default_factory=lambda: f"Goldammer{secrets.token_hex(6)}")
    api_token: str = ""
    hook_secret: str = field(default_factory=lambda: f"hook-{secrets.token_hex(16)}")
    password: str = field(default_factory=lambda: f"Nachtigall {secrets.token_hex(12)}")
    root_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))


class Listening(http_provider.Provider):
    """Names its messages after a canary, and notes every address it was asked for."""

    def __init__(self, canaries: Canaries) -> None:
        super().__init__()
        self.canaries = canaries
        self.urls: list[str] = []

    def accept(self, message: dict[str, object]) -> str:
        super().accept(message)
        return f"{self.canaries.provider_id}.{self.number}"


class ListeningConnection(http_provider.Connection):
    def handle(self, head: str, body: bytes) -> None:
        assert isinstance(self.provider, Listening)
        self.provider.urls.append(head.split("\r\n")[0])
        super().handle(head, body)


@dataclass
class World:
    canaries: Canaries
    provider: Listening
    mails: smtp_server.Handler
    chat: Channel
    mail: Channel
    newsletter: Newsletter
    publisher: User
    dpo: User
    seen: list[str] = field(default_factory=list)  # addresses in our own pages and answers

    def visitor(self, user: User | None = None, **options: Any) -> Visitor:
        """A browser or a program of somebody, signed in as `user`."""
        visitor = Visitor(self.seen, **options)
        if user:
            visitor.force_login(user)
        return visitor

    def writes(self, text: str, payload: str = "") -> None:
        """The person writes in the chat; everything that follows from it happens."""
        event = {
            "type": "text",
            "id": secrets.token_hex(8),
            "at": datetime.now(UTC).isoformat(),
            "from": self.canaries.phone,
            "name": self.canaries.name,
            "text": text,
            "payload": payload,
        }
        assert self.hook({"events": [event]}) == 200
        self.work()

    def hook(self, body: object, secret: str = "") -> int:
        raw = json.dumps(body).encode()
        secret = secret or self.canaries.hook_secret
        headers = signed_headers(secret, secrets.token_hex(4), raw)
        answer = self.visitor().post(
            f"/hooks/{self.chat.id}/", raw, content_type="application/json", headers=headers
        )
        return answer.status_code

    def work(self) -> None:
        """What the workers would do until nothing is left of what was written."""
        rounds = 0
        while rounds < 3 or InboundEvent.objects.filter(status="waiting").exists():
            tasks.handle_inbox()  # a task ends by itself after a while, and rings for the rest
            engine.run(20)
            rounds += 1

    def said(self) -> list[str]:
        """What the person has read in the chat so far."""
        return [str(message["text"]) for message in self.provider.accepted]

    def wire(self) -> list[dict[str, Any]]:
        """All messages of the chat, as the provider was given them."""
        return self.provider.accepted

    def letters(self) -> list[EmailMessage]:
        return [mail.mail for mail in self.mails.accepted]

    def addresses_sent(self) -> list[str]:
        """Every link in what the person was sent: by the chat, by mail, or in a letter's head."""
        texts = [json.dumps(message, ensure_ascii=False) for message in self.wire()]
        for mail in self.letters():
            texts.append(str(mail["List-Unsubscribe"] or ""))
            texts += [
                part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"
            ]
        return [address for text in texts for address in WRITTEN.findall(text)]

    def link(self, kind: str) -> str:
        """The path of the newest link of a kind (`c`, `u`, `p`, `r`) that was mailed."""
        for mail in reversed(self.letters()):
            text = mail.get_body(("plain",))
            assert text
            for path in LINK.findall(text.get_content()):
                if path.startswith(f"/{kind}/"):
                    return path
        raise AssertionError(f"no letter holds a link of kind {kind}")

    def request(self, kind: str) -> Request:
        return Request.objects.get(kind=kind)


@contextmanager
def world(canaries: Canaries, monkeypatch) -> Iterator[World]:
    """The newsroom, with its provider and its mail server running on loopback."""
    monkeypatch.setattr(http_provider, "Connection", ListeningConnection)
    provider = Listening(canaries)
    with http_provider.running(provider) as base_url, smtp_server.running() as (mails, port):
        Controller.objects.update_or_create(pk=1, defaults=CONTROLLER)
        chat = _chat(base_url, canaries)
        mail = _mail(port, canaries)
        newsletter = create_newsletter(
            actor=SYSTEM, topics=TOPICS, channels=[chat, mail], **NEWSLETTER
        )
        publisher, dpo = _staff("publisher", canaries), _staff("dpo", canaries)
        yield World(canaries, provider, mails, chat, mail, newsletter, publisher, dpo)


def _chat(base_url: str, canaries: Canaries) -> Channel:
    return create_channel(
        kind="simulator",
        name="Simulator",
        settings={"base_url": base_url, "number": "+4917604069000", "region": "DE"},
        secrets={"token": http_provider.TOKEN, "hook_secret": canaries.hook_secret},
        profile=OWN_HOUSE,
        actor=SYSTEM,
    )


def _mail(port: int, canaries: Canaries) -> Channel:
    return create_channel(
        kind="email",
        name="E-Mail",
        settings={
            "from_address": "news@example.com",
            "from_name": "Stadtanzeiger",
            "bounce_domain": "bounces.example.com",
            "imprint": "Verlag, Markt 1",
            "host": "127.0.0.1",
            "port": str(port),
            "security": "plain",
        },
        secrets={"hook_secret": canaries.hook_secret},
        profile=OWN_HOUSE,
        actor=SYSTEM,
    )


def _staff(role: str, canaries: Canaries) -> User:
    email = f"{role}@example.com"
    user = create_staff(email=email, password=canaries.password, actor=SYSTEM)
    grant_role(user=user, role=Grant.Role(role), newsletter=None, actor=SYSTEM)
    return user


# What the person lives through; each leaves traces of its own.


def subscribes_in_the_chat(world: World) -> None:
    world.writes("START")
    world.writes("JA")
    assert any("SPORT" in text.upper() or "STOP" in text for text in world.said())
    world.writes("Sport")
    world.writes(world.canaries.text)
    world.writes("HILFE")


def gets_a_broadcast(world: World) -> None:
    sends(world, "Die **Brücke** ist zu.", "canary")
    assert any("Brücke" in text for text in world.said())
    accepted = world.provider.accepted[-1]
    receipt = {
        "type": "receipt",
        "id": secrets.token_hex(8),
        "at": datetime.now(UTC).isoformat(),
        "message": f"{world.canaries.provider_id}.{world.provider.number}",
        "attempt": accepted["attempt"],
        "status": "delivered",
    }
    world.hook({"events": [receipt]})
    world.work()


def sends(world: World, news: str, key: str) -> None:
    actor = Actor.staff(world.publisher)
    draft = create_broadcast(
        newsletter=world.newsletter,
        actor=actor,
        title="Neues aus der Stadt",
        markdown="Guten Morgen, {first_name|Leserin}! " + news,
    )
    start(draft, actor=actor, idempotency_key=key)
    world.work()


def subscribes_by_mail(world: World) -> None:
    page = f"/n/{world.newsletter.slug}/"
    form = {
        "channel": str(world.mail.pk),
        f"{world.mail.pk}-address": world.canaries.email,
        f"{world.mail.pk}-language": "de",
    }
    assert world.visitor().post(page, form).status_code == 302
    world.work()
    assert world.visitor().post(world.link("c")).status_code == 200
    world.work()


def is_imported(world: World) -> None:
    """Another reader comes with a list, is approved, written to, and exported again."""
    canaries = world.canaries
    publisher, officer = world.visitor(world.publisher), world.visitor(world.dpo)
    lines = [
        "Telefon;Vorname;Nachname;Sprache;Themen;Einwilligung am;Quelle;Wortlaut;Status",
        f"{canaries.imported_phone};{canaries.imported_name};Weiß;de;;03.05.2024 10:00;Fest;Ja.;",
        f"0{canaries.imported_phone[3:]}x;{canaries.imported_name};;de;;;;;",
    ]
    form = {
        "newsletter": str(world.newsletter.pk),
        "channel": str(world.chat.pk),
        "legal_basis": "consent",
        "file": SimpleUploadedFile("list.csv", "\r\n".join(lines).encode()),
    }
    answer = publisher.post("/desk/imports/new/", form)
    assert answer.status_code == 302, answer.content.decode()
    page = answer.headers["Location"]
    publisher.post(f"{page}load/")
    officer.post(f"{page}approve/")
    said = len(world.said())
    sends(world, "Die Linie 4 fährt wieder", "imported")
    assert any(message["to"] == canaries.imported_phone for message in world.wire()[said:])
    rows = Subscription.objects.all()
    clear = "".join(subscribers_csv(rows, actor=Actor.staff(world.dpo)))
    assert canaries.imported_name in clear


def asks_by_the_web(world: World) -> None:
    """The link goes to the mailbox; only who opens it has shown whose request it is."""
    form = {"kind": "access", "address": world.canaries.email}
    assert world.visitor().post("/data/", form).status_code == 302
    world.work()


def leaves_by_the_link(world: World) -> None:
    letter = next(mail for mail in reversed(world.letters()) if mail["List-Unsubscribe"])
    path = LINK.search(str(letter["List-Unsubscribe"]).replace(">", " "))
    assert path
    world.visitor().post(path[1], {"List-Unsubscribe": "One-Click"})
    world.work()


def asks_for_the_data(world: World) -> None:
    world.writes("AUSKUNFT")
    officer = world.visitor(world.dpo)
    row = world.request("access")
    for act in ("package/make", "package/deliver"):
        assert officer.post(f"/privacy/requests/{row.pk}/{act}/").status_code == 302
    world.work()
    person = f"/privacy/people/{row.subject}/"
    officer.post(f"{person}open/", {"purpose": "request"})
    assert world.canaries.phone in officer.get(person).content.decode()
    found = officer.post("/privacy/people/", {"typed": world.canaries.phone, "purpose": "request"})
    assert str(row.subject) in found.content.decode()


def staff_look_around(world: World) -> None:
    """The pages that tell of people, and a sign-in by hand: their links name nobody."""
    for user, pages in (
        (world.publisher, ("/desk/", "/desk/inbox/", "/desk/subscribers/", "/desk/imports/")),
        (world.dpo, ("/privacy/requests/", "/privacy/people/", "/privacy/audit/")),
    ):
        visitor = world.visitor(user)
        for page in pages:
            assert visitor.get(page).status_code == 200, page
    assert (
        world.canaries.text in world.visitor(world.publisher).get("/desk/inbox/").content.decode()
    )
    form = {"login": world.publisher.email, "password": world.canaries.password}
    assert world.visitor().post("/accounts/login/", form).status_code == 302
    form["password"] += "x"
    assert world.visitor().post("/accounts/login/", form).status_code == 200


def says_stop(world: World) -> None:
    world.writes("STOP")


def is_erased(world: World) -> None:
    world.writes("LÖSCHEN")
    officer = world.visitor(world.dpo)
    row = world.request("erasure")
    form = {"suppress": "on", "keep_evidence": "on"}
    answer = officer.post(f"/privacy/requests/{row.pk}/erase/now/", form)
    assert answer.status_code == 302
    world.work()
    for _ in range(3):
        complete_erasure(request=row)
        world.work()
    row.refresh_from_db()
    assert row.status == Request.Status.CLOSED, row.status


def strangers_knock(world: World) -> None:
    """What comes in wrong leaves traces, too: refusals, errors, pages that are not there."""
    canaries = world.canaries
    world.hook({"events": [{"from": canaries.phone, "text": canaries.text}]}, secret="x" * 20)
    world.hook({"events": [{"type": "text", "from": canaries.phone, "text": canaries.text}]})
    client = world.visitor(raise_request_exception=False)
    client.post("/accounts/login/", {"login": canaries.email, "password": canaries.text})
    for page in ("c", "p", "u", "r"):
        client.get(f"/{page}/{canaries.api_token}/")
        client.post(f"/{page}/{canaries.api_token}/")
    client.get("/api/v1/broadcasts/", headers={"Authorization": f"Bearer {canaries.api_token}x"})
    client.get(f"/nowhere/{canaries.phone}/?q={canaries.email}")
    form = {"channel": str(world.mail.pk), f"{world.mail.pk}-address": f"{canaries.name}@@"}
    client.post(f"/n/{world.newsletter.slug}/", form)


def calls_the_api(world: World) -> None:
    client = world.visitor(headers={"Authorization": f"Bearer {world.canaries.api_token}"})
    assert client.get("/api/v1/broadcasts/").status_code == 200
    client.get("/api/v1/subscriptions/")


def make_token(world: World) -> str:
    scopes = ["broadcast.read", "subscription.read"]
    actor = Actor.staff(world.publisher)
    return create_token(user=world.publisher, name="canary", scopes=scopes, actor=actor)[1]


FLOWS: tuple[Callable[[World], None], ...] = (
    subscribes_in_the_chat,
    subscribes_by_mail,
    gets_a_broadcast,
    calls_the_api,
    strangers_knock,
    is_imported,
    asks_by_the_web,
    asks_for_the_data,
    staff_look_around,
    leaves_by_the_link,
    says_stop,
    is_erased,
)
