"""config/backups/: real dumps of both databases, and the drill of putting the data back.

Last week's data beside today's keystore: who was erased since stays erased and unreadable, the
others open, and nothing is sent before a person says so.
"""

import json
import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import psycopg
import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from config.backups import restore as restoring
from config.backups.manifest import digest_of
from messengers import instance
from messengers.addresses import reveal
from messengers.engine import run
from messengers.errors import NotTheSameInstance
from messengers.models import Address, Gate, Instance
from privacy import vault
from privacy.access import Actor
from privacy.models import AuditEntry, DataSubject, Grant, Request, Suppression, User
from privacy.requests import actions
from privacy.requests.erasure.machine import Progress
from privacy.vault import KeyDestroyed, KeyRing, epochs, keyfile
from privacy.vault.models import Tombstone
from tests import conftest as house
from tests.messengers.house import SYSTEM, make_channel, make_dispatch, make_people, phone
from tests.privacy.vault.conftest import forget_all, key_file  # noqa: F401
from tests.standins.http_provider import TOKEN, Provider, running

DRILL = f"jawort_drill_{os.getpid()}"
ERASED, LIVING = 0, 1


@pytest.fixture
def drill(django_db_setup, django_db_blocker, settings, monkeypatch) -> Iterator[None]:
    """Two databases of its own, reached as the commands reach them, on this run's servers."""
    settings.EMBEDDED = False
    before = {alias: settings.DATABASES[alias]["NAME"] for alias in house.ALIASES}
    with django_db_blocker.unblock():
        for alias in house.ALIASES:
            with house._server(alias) as server:
                house._copy(server, alias, DRILL)
            monkeypatch.setitem(settings.OWNER_DATABASES, alias, settings.DATABASES[alias])
        try:
            yield
        finally:
            for alias in house.ALIASES:
                house._use(alias, before[alias])
                with house._server(alias) as server:
                    house._drop(server, DRILL)


@pytest.fixture
def places(tmp_path: Path) -> SimpleNamespace:
    return SimpleNamespace(
        data=tmp_path / "data", keys=tmp_path / "keys-copies", key_copy=tmp_path / "safe" / "e.key"
    )


def backup(places: SimpleNamespace, **options: object) -> str:
    out = StringIO()
    call_command("backup", **(vars(places) | options), stdout=out)
    return out.getvalue()


def dumps(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.dump"))


def erase(subject: UUID) -> None:
    """As it is done on a person's own word in the chat, to the certificate."""
    officer = User.objects.create(email="dpo@example.org")
    Grant.objects.create(user=officer, role="dpo")
    actor = Actor.staff(officer)
    request = actions.open_request(
        subject=subject, kind=Request.Kind.ERASURE, origin=Request.Origin.CHAT, verified=True,
        received_at=timezone.now(), actor=SYSTEM,
    )  # fmt: skip
    actions.start_erasure(request=request, actor=actor)
    for minutes in (0, 3, 6, 9):
        with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
            if actions.complete_erasure(request=request) == Progress.DONE:
                return
    raise AssertionError("the erasure did not come to its end")


def test_the_drill(drill, key_file, places, monkeypatch) -> None:  # noqa: F811
    provider = Provider()
    with running(provider) as url:
        channel = make_channel(settings={"base_url": url, "bulk": 1}, secrets={"token": TOKEN})
        people = make_people(channel, 2)
        erased, living = (address.subject for address, _ in people)
        gates = [gate for _, gate in people]
        instance.current()

        told = backup(places)
        assert len(dumps(places.data)) == len(dumps(places.keys)) == 1
        assert "was replaced" in told
        check_what_lies_there(places, [erased, living])

        # A week later one is gone, another came, the keys were rotated.
        erase(erased)
        epochs.new_epoch(SYSTEM)
        epochs.rewrap()
        (late, _), *_ = make_people(channel, 1, first=7)
        assert not Address.objects.filter(subject=erased).exists()

        seen = watch_before_the_replay(monkeypatch, erased)
        call_command("restore", data=dumps(places.data)[0], yes=True, stdout=(out := StringIO()))
        forget_all()

        assert seen == {"row": True, "active": True, "readable": False}
        assert "Nothing is sent yet" in out.getvalue()
        assert not Address.objects.filter(subject=erased).exists()
        assert DataSubject.objects.get(pk=erased).status == DataSubject.Status.ERASED
        assert not Gate.objects.filter(subject=erased, is_open=True).exists()
        assert not KeyRing.load([erased]).has(erased)
        assert reveal(Address.objects.get(subject=living)) == phone(LIVING)
        assert not Address.objects.filter(subject=late.subject).exists()
        assert AuditEntry.objects.filter(action="backup.restored").count() == 1
        assert epochs.rows_on_old_keys() == 0  # secrets of last week's data included

        dispatch = make_dispatch(gates[LIVING:])
        instance.advance_now()
        assert run(5) == 0
        with pytest.raises(NotTheSameInstance):
            instance.current()
        assert provider.accepted == []
        call_command("activate", stdout=StringIO())
        call_command("replay_erasures", stdout=(again := StringIO()))
        assert "1 erased people looked at: 0 rows, 0 keys" in again.getvalue()
        dispatch.refresh_from_db()
        assert dispatch.status == "paused"
        make_dispatch(gates[LIVING:])
        run(5)
        assert [entry["to"] for entry in provider.accepted] == [phone(LIVING)]

    an_old_keystore_comes_back(places, erased, living)


def check_what_lies_there(places: SimpleNamespace, people: list[UUID]) -> None:
    for folder, kind in ((places.data, "data"), (places.keys, "keystore")):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for file in folder.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        (dump,) = dumps(folder)
        text = dump.with_suffix(".json").read_text()
        manifest = json.loads(text)
        assert manifest["kind"] == kind
        assert manifest["bytes"] == dump.stat().st_size
        assert list(manifest["epochs"]) == (["1"] if kind == "keystore" else [])
        for number, person in enumerate(people):
            assert str(person) not in text
            assert phone(number)[3:].encode() not in dump.read_bytes() + text.encode()
    assert keyfile.parsed(places.key_copy.read_text()) == keyfile.halves()
    assert stat.S_IMODE(places.key_copy.stat().st_mode) == 0o400


def watch_before_the_replay(monkeypatch, erased: UUID) -> dict[str, bool]:
    """What the erased person's row looks like when old data stand beside today's keystore."""
    seen: dict[str, bool] = {}
    real = restoring.replay

    def look(progress) -> dict[str, int]:
        address = Address.objects.filter(subject=erased).first()
        seen["row"] = address is not None
        seen["active"] = DataSubject.objects.get(pk=erased).status == "active"
        try:
            seen["readable"] = bool(address and reveal(address))
        except KeyDestroyed:
            seen["readable"] = False
        return real(progress)

    monkeypatch.setattr(restoring, "replay", look)
    return seen


def an_old_keystore_comes_back(places: SimpleNamespace, erased: UUID, living: UUID) -> None:
    """The keystore is lost, and its copy is from before the erasure: with the old line it opens
    again, so the erased are erased again; without the line it cannot come back at all.
    """
    prints = [("sms", bytes(32))]
    vault.tombstone(erased, timezone.now(), suppressed=prints)
    (dump,) = dumps(places.keys)

    call_command("restore", keystore=dump, yes=True, stdout=(out := StringIO()))
    forget_all()

    assert "1 keys of theirs had come back" in out.getvalue()
    assert not KeyRing.load([erased]).has(erased)
    assert KeyRing.load([living]).has(living)
    assert Tombstone.objects.get(subject=erased).suppressed == [["sms", bytes(32).hex()]]
    assert Suppression.objects.filter(kind="sms", fingerprint=bytes(32), reason="erased").exists()
    assert vault.generation() < Instance.objects.get().generation
    with pytest.raises(NotTheSameInstance):
        instance.current()

    keyfile.add(2)
    keyfile.remove(1)
    with pytest.raises(CommandError, match="does not hold the key of epoch 1"):
        call_command("restore", keystore=dump, yes=True)


def test_what_is_wrong_is_said_and_changes_nothing(drill, key_file, places) -> None:  # noqa: F811
    subject = vault.new_subject()
    instance.current()
    backup(places)
    (data,), (keys,) = dumps(places.data), dumps(places.keys)
    original = data.read_bytes()

    def refused(sentence: str, **options: object) -> None:
        with pytest.raises(CommandError, match=sentence):
            call_command("restore", **({"data": data, "yes": True} | options), stdout=StringIO())
        assert DataSubject.objects.filter(pk=subject).exists()
        assert KeyRing.load([subject]).has(subject)

    refused("Name a copy", data=None)
    refused("say --yes", yes=False)
    refused("is a copy of the keystore", data=keys)
    refused("has no manifest", data=places.data / "other.dump")
    data.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    refused("damaged or cut")

    # A cut copy whose manifest was made to fit: pg_restore fails, and psql must not commit.
    manifest = json.loads(data.with_suffix(".json").read_text())
    data.write_bytes(original[: len(original) * 2 // 3])
    fitting = manifest | {"sha256": digest_of(data)}
    data.with_suffix(".json").write_text(json.dumps(fitting))
    refused("Nothing was changed")
    data.write_bytes(original)
    newer = manifest | {"migrations": {"privacy": "9999_from_the_future"}}
    data.with_suffix(".json").write_text(json.dumps(newer))
    refused("newer version")
    data.with_suffix(".json").write_text(json.dumps(manifest))

    values = connections["default"].settings_dict
    with psycopg.connect(
        host=values["HOST"], port=values["PORT"] or None, user=values["USER"],
        password=values["PASSWORD"] or None, dbname=DRILL,
    ):  # fmt: skip
        refused("1 other connections use the database default")


def test_folders_terms_and_old_copies(drill, key_file, places, tmp_path) -> None:  # noqa: F811
    vault.new_subject()
    instance.current()
    for wrong in (
        {"keys": places.data / "keys"},
        {"data": places.keys / "data"},
        {"keys": places.data},
        {"key_copy": places.keys / "epochs.key"},
    ):
        with pytest.raises(CommandError, match=r"apart|neither"):
            backup(places, **wrong)
    (tmp_path / "link").symlink_to(places.data, target_is_directory=True)
    with pytest.raises(CommandError, match="apart"):
        backup(places, keys=tmp_path / "link" / "keys")
    with pytest.raises(CommandError, match="longer than JAWORT_KEYSTORE_BACKUP_DAYS"):
        backup(places, keep_keys=timedelta(days=8))

    assert "NOT copied" in backup(places, key_copy=None)
    stranger = places.keys / "jawort-notes.txt"
    stranger.write_text("not ours")
    for folder in (places.data, places.keys):
        (dump,) = dumps(folder)
        manifest = json.loads(dump.with_suffix(".json").read_text())
        old = (timezone.now() - timedelta(days=8)).isoformat()
        renamed = dump.with_name(f"jawort-{manifest['kind']}-old.dump")
        dump.rename(renamed)
        text = json.dumps(manifest | {"made_at": old, "file": renamed.name})
        dump.with_suffix(".json").rename(renamed.with_suffix(".json"))
        renamed.with_suffix(".json").write_text(text)

    backup(places)

    assert len(dumps(places.data)) == 2  # 35 days
    assert len(dumps(places.keys)) == 1  # 7 days
    assert stranger.exists()
    made = AuditEntry.objects.filter(action="backup.made")
    refs = {json.loads(one.with_suffix(".json").read_text())["ref"] for one in dumps(places.data)}
    assert {row.ref for row in made} == refs
