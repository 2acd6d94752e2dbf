"""privacy/vault/epochs.py: every key under a new epoch, the old one dead after its term."""

import base64
import json
import os
import stat
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils.translation import override

from messengers.channels import account_of
from privacy import vault
from privacy.access import Actor
from privacy.ids import uuid7
from privacy.models import AuditEntry, User
from privacy.vault import KeyRing, SealBroken, Where, epochs, keyfile, keys, weekly, wrapping
from privacy.vault.envelope import Kind, key_version_of, seal_with
from privacy.vault.models import InboxKey, KeyEpoch, SubjectKey, SystemKey
from privacy.vault.resealing import CODES_PLACE, columns
from privacy.vault.weekly import tick
from tests.messengers.house import make_channel
from tests.privacy.vault.conftest import forget_all
from tests.standins.http_provider import TOKEN

PHONE = b"+4917604069001"
TESTER = Actor.system("tests")
DAY = date(2026, 11, 21)
WHERE = Where("messengers_address", "sealed", uuid7())


def warnings(now: datetime) -> list[str]:
    with override("en"):
        return weekly.warnings(now)


def rotate() -> int:
    """A whole rotation, as the command does it; the new epoch."""
    number = epochs.new_epoch(TESTER)
    epochs.rewrap()
    epochs.retire_left_behind()
    return number


def wrapped_rows() -> list[tuple[Any, ...]]:
    """Every wrapped key in the keystore, as a copy of it would hold them."""
    with connections["keystore"].cursor() as cursor:
        cursor.execute("SELECT id, epoch, wrapped FROM keystore_subjectkey ORDER BY id")
        return cursor.fetchall()


# --- The key file ---


def test_the_file_belongs_to_its_owner_alone_and_is_replaced_in_one_step(key_file: Path) -> None:
    keyfile.add(1)
    first = key_file.read_text()
    with key_file.open() as opened:
        keyfile.add(2)
        seen_by_a_reader = opened.read()

    assert stat.S_IMODE(key_file.stat().st_mode) == 0o400
    assert seen_by_a_reader == first  # all of the old one, in the middle of it
    assert list(keyfile.halves()) == [1, 2]
    assert keyfile.halves()[1] == keyfile.parsed(first)[1]
    assert [one.name for one in key_file.parent.iterdir()] == ["epochs.key"]
    keyfile.add(2)
    assert keyfile.remove(1) is True
    assert keyfile.remove(1) is False
    assert base64.b64encode(keyfile.parsed(first)[1]).decode() not in key_file.read_text()


@pytest.mark.parametrize("text", ["2 AAAA", "two lines", "0 " + "A" * 43 + "=", "3", "\x00"])
def test_a_damaged_or_open_file_stops_with_one_sentence(key_file: Path, text: str) -> None:
    key_file.write_text(text)
    key_file.chmod(0o400)
    with pytest.raises(ImproperlyConfigured, match="cannot be read"):
        keyfile.halves()

    key_file.chmod(0o440)
    with pytest.raises(ImproperlyConfigured, match="may be read by others"):
        keyfile.halves()


def test_neither_root_nor_line_alone_gives_the_wrapping_key(db, key_file: Path, settings) -> None:
    subject = vault.new_subject()
    sealed = vault.seal(subject, "ops", WHERE, PHONE)
    assert vault.open_sealed(subject, "ops", WHERE, sealed) == PHONE
    good = key_file.read_bytes()

    for broken in (b"1 " + base64.b64encode(bytes(32)), b""):
        key_file.unlink()
        key_file.write_bytes(broken)
        key_file.chmod(0o400)
        forget_all()
        with pytest.raises(vault.EpochUnknown):
            vault.open_sealed(subject, "ops", WHERE, sealed)
        assert not vault.root_key_fits()

    key_file.unlink()
    key_file.write_bytes(good)
    key_file.chmod(0o400)
    root, settings.JAWORT_KEY = settings.JAWORT_KEY, os.urandom(32)
    with pytest.raises(vault.EpochUnknown):
        vault.open_sealed(subject, "ops", WHERE, sealed)
    settings.JAWORT_KEY = root
    forget_all()
    assert vault.open_sealed(subject, "ops", WHERE, sealed) == PHONE


# --- Rotation ---


def test_a_rotation_leaves_nothing_on_the_old_key_and_everything_opens(db, key_file) -> None:
    people = vault.new_subjects(3)
    sealed = {one: vault.seal(one, "ops", WHERE, one.bytes) for one in people}
    evidence = vault.seal(people[0], "evidence", WHERE, PHONE)
    body = vault.seal_inbox(WHERE, b"STOP", DAY)
    vault.shred(people[2], "ops")
    assert epochs.rows_on_old_keys() == 0
    before = wrapped_rows()

    number = epochs.new_epoch(TESTER)
    assert epochs.rows_on_old_keys() == 7  # 5 of people, a day's, and the house's own
    with pytest.raises(vault.EpochInUse):
        epochs.retire(number - 1)
    steps: list[int] = []
    assert epochs.rewrap(progress=steps.append) == sum(steps) == 7

    assert number == 2
    assert epochs.rows_on_old_keys() == 0
    for table in (SubjectKey, InboxKey, SystemKey):
        assert set(table.objects.values_list("epoch", flat=True)) == {2}
    after = wrapped_rows()
    assert {key_version_of(bytes(row[2])) for row in after} == {2}
    assert not {bytes(row[2]) for row in after} & {bytes(row[2]) for row in before}
    forget_all()
    assert vault.open_sealed(people[0], "ops", WHERE, sealed[people[0]]) == people[0].bytes
    assert vault.open_sealed(people[0], "evidence", WHERE, evidence) == PHONE
    assert vault.open_inbox(WHERE, body) == b"STOP"
    assert not KeyRing.load(people).has(people[2])
    assert epochs.retire_left_behind() == [1]
    with pytest.raises(vault.EpochInUse):
        epochs.retire(2)
    acts = AuditEntry.objects.filter(object="keys").order_by("id").values_list("action", flat=True)
    assert list(acts) == ["keys.epoch_begun", "keys.epoch_retired"]


def test_the_old_key_lives_for_its_term_and_then_no_old_copy_opens(db, key_file) -> None:
    """The point of it all: an overlooked copy of the keystore, beside root key and new file."""
    erased, living = vault.new_subjects(2)
    sealed = {one: vault.seal(one, "ops", WHERE, PHONE) for one in (erased, living)}
    copy = wrapped_rows()
    rotate()
    vault.shred(erased, "ops")
    now = datetime.now(UTC)

    def bring_back_the_copy() -> None:
        with connections["keystore"].cursor() as cursor:
            for row_id, epoch, wrapped in copy:
                cursor.execute(
                    "INSERT INTO keystore_subjectkey (id, subject, klass, epoch, wrapped,"
                    " created_at) VALUES (%s, %s, 'ops', %s, %s, now()) ON CONFLICT DO NOTHING",
                    [row_id, erased, epoch, wrapped],
                )
        forget_all()

    assert epochs.destroy_due(now + timedelta(days=6, hours=23)) == []
    bring_back_the_copy()
    assert vault.open_sealed(erased, "ops", WHERE, sealed[erased]) == PHONE  # so it can leak
    assert epochs.destroy_due(now + timedelta(days=8)) == []  # and while it is there, it may live
    vault.shred(erased, "ops")

    assert epochs.destroy_due(now + timedelta(days=8)) == [1]

    assert list(keyfile.halves()) == [2]
    bring_back_the_copy()
    with pytest.raises(vault.VaultError):
        vault.open_sealed(erased, "ops", WHERE, sealed[erased])
    assert vault.open_sealed(living, "ops", WHERE, sealed[living]) == PHONE
    assert KeyEpoch.objects.get(number=1).destroyed_at
    assert epochs.destroy_due(now + timedelta(days=9)) == []
    keyfile.add(1)  # a further host still has a file with the line
    assert epochs.destroy_due(now + timedelta(days=9)) == []
    assert list(keyfile.halves()) == [2]


def test_an_installation_of_the_root_key_alone_migrates_by_its_first_rotation(
    db, tmp_path, settings
) -> None:
    settings.JAWORT_EPOCHS_FILE = None
    forget_all()
    subject = vault.new_subject()
    sealed = vault.seal(subject, "ops", WHERE, PHONE)
    channel = make_channel()
    place = Where("messengers_channel", "secrets_sealed", channel.pk)
    legacy = AESGCM(keys.subkey("system/1"))
    channel.secrets_sealed = seal_with(legacy, Kind.SYSTEM, 1, place, b"", b'{"token": "old"}')
    channel.save()
    assert epochs.rows_on_old_keys() == 1
    with pytest.raises(vault.NoEpochs, match="environment alone"):
        epochs.new_epoch(TESTER)
    assert KeyEpoch.objects.count() == 1
    assert "environment" in warnings(datetime.now(UTC))[0]

    settings.JAWORT_EPOCHS_FILE = tmp_path / "epochs.key"
    assert wrapping.is_derived(1)
    assert "never been rotated" in warnings(datetime.now(UTC))[0]
    tick(datetime.now(UTC) + timedelta(days=99))  # nothing by itself before a person did it
    assert not settings.JAWORT_EPOCHS_FILE.exists()
    out = StringIO()
    call_command("rotate_keys", stdout=out)

    assert "0 are left on old keys. Retired: 1." in out.getvalue()
    assert list(keyfile.halves()) == [2]
    assert epochs.rows_on_old_keys() == 0
    assert warnings(datetime.now(UTC)) == []
    forget_all()
    assert vault.open_sealed(subject, "ops", WHERE, sealed) == PHONE
    channel.refresh_from_db()
    assert key_version_of(bytes(channel.secrets_sealed)) > 1
    assert account_of(channel).secrets == {"token": "old"}
    assert vault.root_key_fits()


def test_secrets_of_the_house_are_sealed_anew_and_old_keys_go_with_the_data(db, key_file) -> None:
    channel = make_channel(secrets={"token": TOKEN})
    user = User.objects.create(email="ada@example.org")
    codes = {}
    for kind, name in (("totp", "secret"), ("recovery_codes", "seed")):
        sealed = base64.b64encode(vault.seal_system(CODES_PLACE, b"seed of codes")).decode()
        data = {name: sealed, "used_mask": 0}
        codes[name] = Authenticator.objects.create(user=user, type=kind, data=data)
    old = SystemKey.objects.get().number
    old_secrets = bytes(channel.secrets_sealed)
    now = datetime.now(UTC)

    rotate()

    assert [row.number for row in SystemKey.objects.order_by("number")] == [old, old + 1]
    channel.refresh_from_db()
    assert key_version_of(bytes(channel.secrets_sealed)) == old + 1
    assert account_of(channel).secrets == {"token": TOKEN}
    for name, row in codes.items():
        before = row.data[name]
        row.refresh_from_db()
        assert row.data["used_mask"] == 0
        assert row.data[name] != before
        after = base64.b64decode(row.data[name])
        assert key_version_of(after) == old + 1
        assert vault.open_system(CODES_PLACE, after) == b"seed of codes"
    assert epochs.rows_on_old_keys() == 0
    epochs.destroy_due(now + timedelta(days=34))
    assert SystemKey.objects.count() == 2  # a copy of the data from before still opens with it
    channel.secrets_sealed = old_secrets  # put back from such a copy, and not sealed anew yet
    channel.save()
    epochs.destroy_due(now + timedelta(days=36))
    assert SystemKey.objects.count() == 2
    epochs.rewrap()
    epochs.destroy_due(now + timedelta(days=36))
    assert [row.number for row in SystemKey.objects.all()] == [old + 1]


def test_every_secret_of_the_house_lies_where_the_rotation_looks() -> None:
    """Whoever seals for the house names the column `…sealed…`; the two exceptions are known."""
    known = {(column.table, column.name) for column in columns()}
    rooms = ("config", "broadcasts", "subscriptions", "messengers", "privacy")
    project = Path(__file__).resolve().parents[3]
    users = {
        str(file.relative_to(project))
        for room in rooms
        for file in (project / room).rglob("*.py")
        if "seal_system(" in file.read_text() and "vault" not in file.parts
    }
    places = {}
    for name in users:
        text = (project / name).read_text()
        places[name] = [
            table
            for table in {table for table, _ in known}
            if any(f'"{table}", "{column}"' in text for one, column in known if one == table)
        ]

    assert ("messengers_channel", "secrets_sealed") in known
    exceptions = {"privacy/access/sessions.py", "privacy/access/sign_in.py"}
    assert exceptions <= users
    assert [name for name, found in places.items() if not found and name not in exceptions] == []


def test_a_key_that_does_not_open_stays_and_is_said(db, key_file) -> None:
    one, other = vault.new_subjects(2)
    row = SubjectKey.objects.get(subject=one, klass="ops")
    row.wrapped = bytes(row.wrapped)[:-1] + bytes([bytes(row.wrapped)[-1] ^ 1])
    row.save()

    with pytest.raises(CommandError, match="1 rows do not open"):
        call_command("rotate_keys", stdout=StringIO())

    with pytest.raises(SystemExit):
        call_command("rotate_keys", "--check", stdout=(out := StringIO()))
    assert "1 rows are on older keys" in out.getvalue()
    assert KeyEpoch.objects.get(number=1).retired_at is None
    with pytest.raises(SealBroken):
        KeyRing.load([one])
    assert KeyRing.load([other]).has(other)


def test_an_epoch_of_another_host_is_noticed_when_its_line_comes(db, key_file) -> None:
    subject = vault.new_subject()
    sealed = vault.seal(subject, "ops", WHERE, PHONE)
    mine = key_file.read_text()
    rotate()
    theirs = key_file.read_text()

    keyfile.write_private(key_file, mine)  # a host whose file was not copied yet
    forget_all()
    with pytest.raises(vault.KeystoreDown, match="no line for epoch 2"):
        vault.open_sealed(subject, "ops", WHERE, sealed)
    with pytest.raises(vault.KeystoreDown):
        vault.new_subject()
    keyfile.write_private(key_file, theirs)

    assert vault.open_sealed(subject, "ops", WHERE, sealed) == PHONE


def test_a_prepared_line_is_used_by_the_next_rotation(db, key_file) -> None:
    vault.new_subject()
    call_command("rotate_keys", "--prepare", stdout=(out := StringIO()))
    prepared = keyfile.halves()
    assert "epoch 2, which nobody uses yet" in out.getvalue()
    assert epochs.current_epoch() == 1

    assert rotate() == 2

    assert keyfile.halves() == prepared


def test_the_weekly_tick_rotates_destroys_and_warns_when_it_cannot(
    db, key_file, time_machine, monkeypatch
) -> None:
    start = datetime(2026, 11, 21, tzinfo=UTC)

    def tick_on_day(days: float) -> tuple[int, list[int], list[str]]:
        """The newest epoch after the tick, the lines in the file, what is warned of."""
        time_machine.move_to(start + timedelta(days=days), tick=False)
        tick(datetime.now(UTC))
        assert epochs.rows_on_old_keys() == 0
        return epochs.current_epoch(), sorted(keyfile.halves()), warnings(datetime.now(UTC))

    time_machine.move_to(start, tick=False)
    vault.new_subject()
    assert tick_on_day(6.9) == (1, [1], [])
    assert tick_on_day(7) == (2, [1, 2], [])
    assert tick_on_day(13.9) == (2, [1, 2], [])
    assert tick_on_day(14) == (3, [2, 3], [])

    monkeypatch.setattr(keyfile, "can_write", lambda: False)
    assert tick_on_day(23) == (3, [3], [])
    newest, lines, told = tick_on_day(26)
    assert (newest, lines, len(told)) == (3, [3], 1)
    assert "overdue by 5 days" in told[0]
    monkeypatch.undo()
    assert tick_on_day(27) == (4, [3, 4], [])


def test_json_of_codes_is_left_as_it_was(db, key_file) -> None:
    user = User.objects.create(email="ada@example.org")
    data = {"secret": "not ours", "seed": 7, "other": json.dumps([1])}
    row = Authenticator.objects.create(user=user, type="totp", data=data)
    vault.new_subject()

    rotate()

    row.refresh_from_db()
    assert row.data == data
