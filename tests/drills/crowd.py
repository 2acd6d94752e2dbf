"""Many people, and what they live through."""

import json
import secrets
import time
from datetime import UTC, datetime
from uuid import UUID

from messengers import engine
from messengers.models import Address, Channel, Delivery
from privacy.access import Actor
from privacy.models import Certificate, Request
from privacy.requests import actions
from privacy.requests.erasure import running
from privacy.vault import KeyRing
from subscriptions.imports import approve_import, check_import, load_import
from tests.canary.world import World, sends

EVENTS_AT_A_TIME = 50
WITH_PACKAGE = 3  # people who fetch their data; each takes a PDF
FAST = 100_000.0  # messages per second: the stand-in has no limit


class Crowd:
    """People who exist nowhere else, in one newsroom."""

    def __init__(self, newsroom: World, size: int) -> None:
        self.newsroom = newsroom
        mark = secrets.token_hex(3)
        start = secrets.randbelow(9 * 10**6)
        self.phones = [f"+49151{start + number:07}2" for number in range(size)]
        self.names = [f"Sperling{mark}{number:06}x" for number in range(size)]
        self.texts = [f"Im Nest {secrets.token_hex(8)} liegt ein Ei" for _phone in self.phones]
        self.subjects: list[UUID] = []
        self.publisher, self.dpo = Actor.staff(newsroom.publisher), Actor.staff(newsroom.dpo)

    def values(self) -> dict[str, str]:
        """What nobody may ever find."""
        kinds = {"phone": self.phones, "name": self.names, "text": self.texts}
        return {
            f"{kind} {number}": value
            for kind, values in kinds.items()
            for number, value in enumerate(values)
        }

    def lives_through_everything(self) -> None:
        Channel.objects.update(rate_per_second=FAST)
        self._is_imported()
        self.subjects = list(Address.objects.order_by("id").values_list("subject", flat=True))
        sends(self.newsroom, "Die Linie 4 fährt wieder", "drill")
        self._writes(self.texts)
        self._sends_all()
        self._fetches_packages()

    def is_erased(self) -> float:
        """Asked for in the chat, decided by the officer; how many seconds the erasing took."""
        self._writes(["LÖSCHEN"] * len(self.phones))
        requests = list(Request.objects.filter(kind="erasure", subject__in=self.subjects))
        assert len(requests) == len(self.phones)
        for request in requests:
            actions.start_erasure(request=request, actor=self.dpo)
        seconds = 0.0
        while running.unfinished():
            begun = time.monotonic()
            running.resume()
            seconds += time.monotonic() - begun
            self._sends_all()
        assert Certificate.objects.filter(request__in=requests).count() == len(requests)
        return seconds

    def left_behind(self) -> list[str]:
        """What the database of today still has of them."""
        ring = KeyRing.load(self.subjects, "ops")
        left = [f"key of {number}" for number, one in enumerate(self.subjects) if ring.has(one)]
        addresses = Address.objects.filter(subject__in=self.subjects).count()
        return [*left, *([f"{addresses} addresses"] if addresses else [])]

    def _is_imported(self) -> None:
        lines = ["Telefon;Vorname;Nachname;Sprache;Themen;Einwilligung am;Quelle;Wortlaut;Status"]
        for phone, name in zip(self.phones, self.names, strict=True):
            lines.append(f"{phone};{name};Weiß;de;;03.05.2024 10:00;Fest;Ja.;")
        room = self.newsroom
        checked = check_import(
            newsletter=room.newsletter,
            channel=room.chat,
            content="\r\n".join(lines).encode(),
            actor=self.publisher,
        )
        loaded = load_import(imported=checked, actor=self.publisher)
        assert approve_import(imported=loaded, actor=self.dpo) == len(self.phones)

    def _writes(self, texts: list[str]) -> None:
        """Each person one text, by the hook and in its words."""
        events = [
            {
                "type": "text",
                "id": secrets.token_hex(8),
                "at": datetime.now(UTC).isoformat(),
                "from": phone,
                "name": name,
                "text": text,
                "payload": "",
            }
            for phone, name, text in zip(self.phones, self.names, texts, strict=True)
        ]
        for start in range(0, len(events), EVENTS_AT_A_TIME):
            some = events[start : start + EVENTS_AT_A_TIME]
            assert self.newsroom.hook({"events": some}) == 200
        self.newsroom.work()

    def _sends_all(self) -> None:
        while Delivery.objects.filter(status="queued").exists():
            engine.run(20)

    def _fetches_packages(self) -> None:
        for subject in self.subjects[:WITH_PACKAGE]:
            request = actions.open_request(
                subject=subject,
                kind="access",
                origin="chat",
                verified=True,
                received_at=datetime.now(UTC),
                actor=Actor.subscriber(subject),
            )
            package = actions.make_package(request=request, actor=self.dpo)
            assert package.size_bytes > len(json.dumps(self.phones[0]))
        self._sends_all()
