"""Signing in: two factors for each page, codes that work once, sessions that end, guesses."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from django.contrib.sessions.models import Session
from django.db import connection, connections
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from privacy.access import Actor, guesses
from privacy.access.actions import end_sessions, grant_role, set_active
from privacy.access.sessions import SessionStore, row_key
from privacy.middleware import ENROLMENT, OPEN_TO_ONE_FACTOR
from privacy.models import AuditEntry, Grant, GuessCounter, TotpStep, User
from tests.privacy.conftest import CULTURE, PASSWORD, SPORT

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.privacy.urls")]
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
LOGIN = "/accounts/login/"
CODE = "/accounts/2fa/authenticate/"


def current_code() -> str:
    return totp.format_hotp_value(totp.hotp_value(SEED, int(time.time()) // 30))


def with_code(user: User) -> Authenticator:
    return totp.TOTP.activate(user, SEED).instance


def type_password(client: Client, user: User, password: str = PASSWORD):
    return client.post(LOGIN, {"login": user.email, "password": password})


def sign_in(client: Client, user: User) -> None:
    type_password(client, user)
    client.post(CODE, {"code": current_code()})


@pytest.fixture
def editor(staff):
    return staff("editor")


def test_a_password_alone_leads_to_the_second_factor_and_nowhere_else(client, editor):
    assert type_password(client, editor).status_code == 302
    assert client.session["_auth_user_id"] == str(editor.pk)

    assert client.get("/gate/staff/").headers["Location"] == "/accounts/2fa/totp/activate/"
    assert client.get("/gate/public/").headers["Location"] == "/accounts/2fa/totp/activate/"
    assert client.post("/gate/staff/").status_code == 403


def test_no_page_opens_for_one_factor(client, editor):
    """Every address there is, except the few that lead to the second factor or out."""
    type_password(client, editor)
    client.raise_request_exception = False
    opened = set()
    asked = list(every_page())
    for address, name in asked:
        if client.get(address).status_code == 200:
            opened.add(name)
        assert client.session.get("_auth_user_id"), address

    assert opened <= OPEN_TO_ONE_FACTOR | ENROLMENT
    assert {"account_reauthenticate", "livez"} <= opened
    assert len(asked) > 30


SAMPLES = {"uuid": str(SPORT), "int": "1", "slug": "x", "str": "x", "path": "x"}


def every_page(patterns=None, prefix: str = "/") -> Iterator[tuple[str, str | None]]:
    """(address, name) of every page whose arguments can be guessed."""
    for pattern in patterns if patterns is not None else get_resolver().url_patterns:
        address = prefix + re.sub(r"<(\w+):\w+>", lambda m: SAMPLES[m[1]], str(pattern.pattern))
        address = re.sub(r"<\w+>", "x", address)
        if hasattr(pattern, "url_patterns"):
            yield from every_page(pattern.url_patterns, address)
        elif not set(address) & set("^$(\\"):
            yield address, pattern.name


def test_password_and_code_open_the_pages(client, editor):
    with_code(editor)

    assert type_password(client, editor).headers["Location"].startswith(CODE)
    assert client.get("/gate/staff/").headers["Location"].startswith(LOGIN)
    assert client.post(CODE, {"code": current_code()}).status_code == 302

    assert client.get("/gate/staff/").content.decode() == f"hello staff:{editor.pk}"


def test_who_has_a_second_factor_shows_it_before_adding_another(client, editor):
    """Otherwise a stolen password would be enough to add a passkey of one's own."""
    with_code(editor)
    client.force_login(editor)
    assert client.get("/accounts/2fa/webauthn/add/").status_code == 200
    session = client.session
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time(), "reauthenticated": True}
    ]
    session.save()

    for page in ("webauthn/add/", "totp/activate/", ""):
        answer = client.get(f"/accounts/2fa/{page}")
        assert answer.headers["Location"] == "/accounts/2fa/reauthenticate/", page
    assert client.post("/accounts/2fa/totp/deactivate/").status_code == 403


def test_the_demo_does_without_the_second_factor(client, editor, settings):
    settings.JAWORT_DEMO = True

    type_password(client, editor)

    assert client.get("/gate/staff/").status_code == 200


def test_a_fresh_second_factor_counts_at_once_and_ends_other_sessions(
    transactional_db, client, editor
):
    other = Client()
    type_password(other, editor)
    type_password(client, editor)
    activate = "/accounts/2fa/totp/activate/"
    client.get(activate)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.get(activate)
    seed = client.session["mfa.totp.secret"]
    code = totp.format_hotp_value(totp.hotp_value(seed, int(time.time()) // 30))

    client.post(activate, {"code": code})

    assert Authenticator.objects.filter(user=editor, type="totp").exists()
    assert client.get("/gate/staff/").status_code == 200
    assert other.get("/accounts/reauthenticate/").headers["Location"].startswith(LOGIN)


def test_a_closed_door_sends_strangers_to_sign_in_and_others_away(client, staff, editor):
    assert client.get(f"/gate/newsletter/{SPORT}/").headers["Location"].startswith(LOGIN)
    client.force_login(editor)
    assert client.get(f"/gate/newsletter/{SPORT}/").status_code == 403
    client.force_login(staff("publisher", SPORT))
    assert client.get(f"/gate/newsletter/{SPORT}/").content == b"may send"
    assert client.get(f"/gate/newsletter/{CULTURE}/").status_code == 404


def test_what_cannot_be_taken_back_needs_proof_within_five_minutes(
    client, staff, time_machine, settings
):
    time_machine.move_to(timezone.now(), tick=False)
    client.force_login(staff("dpo"))
    assert client.get("/gate/export/").content == b"exported"

    time_machine.shift(timedelta(minutes=6))

    assert client.get("/gate/staff/").status_code == 200
    assert client.get("/gate/export/").headers["Location"].startswith("/accounts/reauthenticate/")
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert client.get("/gate/export/").content == b"exported"
    time_machine.shift(timedelta(minutes=6))
    settings.JAWORT_DEMO = True
    assert client.get("/gate/export/").content == b"exported"


@pytest.mark.parametrize(
    ("role", "idle", "absolute"), [("editor", 30, 12 * 60), ("dpo", 15, 8 * 60)]
)
def test_a_session_ends_when_idle_and_at_its_age(staff, time_machine, role, idle, absolute):
    user = staff(role)
    start = timezone.now()
    alive, forgotten = Client(), Client()
    alive.force_login(user)
    forgotten.force_login(user)

    for minutes in range(idle - 2, absolute - 1, idle - 2):
        time_machine.move_to(start + timedelta(minutes=minutes), tick=False)
        assert alive.get("/gate/staff/").status_code == 200, minutes
    time_machine.move_to(start + timedelta(minutes=idle + 1), tick=False)
    assert forgotten.get("/gate/staff/").headers["Location"].startswith(LOGIN)
    time_machine.move_to(start + timedelta(minutes=absolute), tick=False)
    assert alive.get("/gate/staff/").headers["Location"].startswith(LOGIN)


def test_a_page_that_reloads_itself_keeps_nobody_signed_in(client, editor, time_machine):
    client.force_login(editor)
    start = timezone.now()

    for minutes in range(1, 30):
        time_machine.move_to(start + timedelta(minutes=minutes), tick=False)
        client.get("/gate/staff/", headers={"HX-Request": "true"})
    time_machine.move_to(start + timedelta(minutes=31), tick=False)

    assert client.get("/gate/staff/").status_code == 302


def test_a_part_of_a_page_reloads_the_whole_when_the_session_is_over(client):
    answer = client.get("/gate/staff/", headers={"HX-Request": "true"})

    assert (answer.status_code, answer.headers["HX-Refresh"]) == (200, "true")
    assert "HX-Refresh" not in client.get("/gate/staff/").headers


@pytest.mark.parametrize("change", ["password", "role", "deactivated", "asked"])
def test_ten_old_sessions_end_with_a_change(editor, admin, change):
    clients = [Client() for _ in range(10)]
    for client in clients:
        client.force_login(editor)
    assert [client.get("/gate/staff/").status_code for client in clients] == [200] * 10

    if change == "password":
        editor.set_password("another long enough password")
        editor.save()
    elif change == "role":
        grant_role(user=editor, role=Grant.Role.DPO, newsletter=None, actor=admin)
    elif change == "deactivated":
        set_active(user=editor, is_active=False, actor=admin)
    else:
        end_sessions(editor)

    assert [client.get("/gate/staff/").status_code for client in clients] == [302] * 10


def test_the_same_code_passes_once_even_at_the_same_moment(transactional_db, staff):
    """Fifty processes try the same right code at once: the database lets one pass."""
    factor = with_code(staff("editor"))
    code = current_code()

    def attempt(_: int) -> bool:
        try:
            return totp.TOTP(factor).validate_code(code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        passed = list(threads.map(attempt, range(50)))

    assert passed.count(True) == 1
    assert TotpStep.objects.count() == 1
    assert totp.TOTP(factor).validate_code(code) is False


def test_a_wrong_code_spends_nothing(editor):
    factor = with_code(editor)
    wrong = f"{(int(current_code()) + 1) % 10**6:06}"

    assert totp.TOTP(factor).validate_code(wrong) is False
    assert TotpStep.objects.count() == 0
    assert totp.TOTP(factor).validate_code(current_code()) is True


def test_allauth_still_asks_us_whether_a_code_was_used():
    assert totp.TOTP._mark_code_used.__module__ == "privacy.access.sign_in"


def test_seeds_are_sealed_in_the_database(editor):
    with_code(editor)
    seed = RecoveryCodes.generate_seed()
    RecoveryCodes.activate(editor)

    stored = str(list(Authenticator.objects.values_list("data", flat=True)))

    assert SEED not in stored
    assert len(seed) == 80
    assert not re.search(r"[0-9a-f]{80}", stored)
    assert RecoveryCodes.activate(editor).generate_codes()


def test_a_dump_of_the_sessions_signs_nobody_in(client, editor, settings):
    client.force_login(editor)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]

    row = Session.objects.get()

    assert row.session_key == row_key(cookie.value)
    assert cookie.value not in f"{row.session_key} {row.session_data}"
    assert str(editor.pk) not in row.session_data
    thief = Client()
    thief.cookies[cookie.key] = row.session_key
    assert thief.get("/gate/staff/").status_code == 302
    assert client.get("/gate/staff/").status_code == 200


def test_a_session_of_another_root_key_is_over(client, editor, settings):
    client.force_login(editor)
    settings.JAWORT_KEY = bytes(32)

    assert client.get("/gate/staff/").status_code == 302


def test_a_session_store_keeps_its_promises(db):
    store = SessionStore()
    store["a"] = 1
    store.save()

    assert store.session_key
    again = SessionStore(store.session_key)
    assert again["a"] == 1
    assert again.exists(store.session_key)
    again.cycle_key()
    assert not SessionStore().exists(store.session_key)
    assert SessionStore(again.session_key)["a"] == 1
    again.flush()
    assert Session.objects.count() == 0


def test_the_session_id_changes_at_sign_in(client, editor, settings):
    client.get(LOGIN)
    client.session.save()
    before = {cookie.value for cookie in client.cookies.values()}

    with_code(editor)
    sign_in(client, editor)

    name = settings.SESSION_COOKIE_NAME
    assert client.cookies[name].value not in before


def test_the_session_id_changes_when_somebody_proves_again_who_they_are(client, editor, settings):
    client.force_login(editor)
    before = client.cookies[settings.SESSION_COOKIE_NAME].value

    client.post("/accounts/reauthenticate/", {"password": PASSWORD})

    assert client.cookies[settings.SESSION_COOKIE_NAME].value != before
    assert client.get("/gate/staff/").status_code == 200
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = before
    assert thief.get("/gate/staff/").status_code == 302


def test_a_new_password_by_mail_neither_signs_in_nor_skips_the_second_factor(
    client, editor, mailoutbox
):
    with_code(editor)
    client.post("/accounts/password/reset/", {"email": editor.email})
    link = re.search(r"/accounts/password/reset/key/\S+", mailoutbox[0].body)
    assert link
    form = client.get(link[0]).headers["Location"]
    client.post(form, {"password1": "a wholly new password", "password2": "a wholly new password"})

    assert client.get("/gate/staff/").headers["Location"].startswith(LOGIN)
    answer = type_password(client, editor, "a wholly new password")
    assert answer.headers["Location"].startswith(CODE)
    assert client.get("/gate/staff/").headers["Location"].startswith(LOGIN)


def test_refusals_are_logged_and_name_nobody(client, editor, caplog):
    for _ in range(21):
        client.post(LOGIN, {"login": editor.email, "password": "hunter22"})

    told = [record.msg for record in caplog.records if record.name == "jawort.access"]
    assert told == [{"event": "sign-in refused"}] * 20 + [
        {"event": "too many guesses", "route": "account_login"}
    ]


def test_twenty_guesses_and_no_more_whatever_the_network(editor, time_machine):
    time_machine.move_to(timezone.now(), tick=False)
    answers = []
    for number in range(60):
        answers.append(
            Client(REMOTE_ADDR=f"203.0.{number}.7")
            .post(LOGIN, {"login": editor.email, "password": f"wrong {number}"})
            .status_code
        )
    assert answers.count(200) == 20
    assert answers.count(429) == 40
    right = Client(REMOTE_ADDR="198.51.100.1")
    assert type_password(right, editor).status_code == 429

    time_machine.shift(timedelta(minutes=15))

    assert type_password(right, editor).status_code == 302


def test_a_new_password_login_gives_no_new_guesses_at_the_code(client, editor):
    with_code(editor)
    answers = []
    for number in range(30):
        type_password(client, editor) if number % 10 == 0 else None
        wrong = f"{(int(current_code()) + 1 + number) % 10**6:06}"
        answers.append(client.post(CODE, {"code": wrong}).status_code)

    assert answers == [200] * 20 + [429] * 10


def test_a_network_has_its_own_counter(staff, monkeypatch):
    monkeypatch.setattr(guesses, "PER_NETWORK", guesses.Limit(10))
    users = [staff("editor", email=f"{number}@example.org") for number in range(14)]

    def guess(user: User, ip: str) -> int:
        form = {"login": user.email, "password": "wrong"}
        return Client(REMOTE_ADDR=ip).post(LOGIN, form).status_code

    answers = [guess(user, f"203.0.113.{number}") for number, user in enumerate(users)]

    assert answers == [200] * 10 + [429] * 4
    assert guess(users[0], "203.0.114.1") == 200


def test_a_thousand_guesses_at_once_count_exactly(transactional_db):
    def guess(_: int) -> bool:
        try:
            return guesses.may_guess("test", ip="192.0.2.1")
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        allowed = list(threads.map(guess, range(400)))

    assert allowed.count(True) == guesses.PER_NETWORK.guesses
    assert GuessCounter.objects.get().count == 400


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.1", "203.0.113.254", True),
        ("203.0.113.1", "203.0.114.1", False),
        ("2001:db8:0:ff::1", "2001:db8:0:01::2", True),
        ("2001:db8:0:100::1", "2001:db8::1", False),
        ("::ffff:203.0.113.9", "203.0.113.1", True),
    ],
)
def test_addresses_of_one_network_are_one(one, other, same):
    assert (guesses.network_of(one) == guesses.network_of(other)) is same


def test_counters_name_nobody_and_are_forgotten(editor, time_machine):
    guesses.may_guess("account_login", account=editor.email, ip="203.0.113.1")

    assert all(len(bytes(key)) == 16 for key in GuessCounter.objects.values_list("pk", flat=True))
    assert guesses.forget_old(timezone.now()) == 0
    assert guesses.forget_old(timezone.now() + timedelta(minutes=15)) == 2


def test_nobody_can_sign_up(client):
    page = client.post(
        "/accounts/signup/",
        {"email": "me@example.org", "password1": PASSWORD, "password2": PASSWORD},
    )

    assert page.status_code in (200, 403)
    assert not User.objects.filter(email="me@example.org").exists()


def test_an_unknown_account_is_answered_like_a_known_one(client, editor):
    known = client.post(LOGIN, {"login": editor.email, "password": "wrong"})
    unknown = client.post(LOGIN, {"login": "nobody@example.org", "password": "wrong"})

    def text(answer) -> str:
        page = re.sub(r'value="[^"]*"', "", answer.content.decode())
        return re.sub(r'nonce="[^"]*"', "", page)

    assert known.status_code == unknown.status_code == 200
    assert text(known) == text(unknown)


def test_sign_ins_and_their_changes_are_in_the_audit_log(client, editor):
    with_code(editor)
    sign_in(client, editor)
    client.post("/accounts/logout/")

    entries = AuditEntry.objects.order_by("pk").values_list("action", "actor")
    assert list(entries) == [
        ("user.signed_in", str(Actor.staff(editor))),
        ("user.signed_out", str(Actor.staff(editor))),
    ]
