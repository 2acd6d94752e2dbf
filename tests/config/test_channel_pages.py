"""Administrators make, change and stop accounts at messengers; nobody else gets that far."""

from hashlib import sha256

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from messengers.channels import account_of, start_channel
from messengers.models import Channel, InboundEvent
from privacy.access import Actor
from privacy.models import AuditEntry, Grant, User
from privacy.records.errors import ProfileIncomplete
from privacy.records.processors import is_complete, profile_of

SECRET = "a-very-secret-token"
ENGLISH = {"accept-language": "en"}
FORM = {
    "name": "Telefon der Redaktion",
    "rate_per_second": "12",
    "profile-name": "Jawort",
    "profile-role": "ourselves",
    "profile-country": "de",
    "profile-transfer": "none",
    "profile-retention": "7 Tage",
    "profile-sub_processors": "keine",
    "setting_base_url": "http://127.0.0.1:9/simulator",
    "setting_number": "+4917604069000",
    "setting_region": "DE",
    "setting_token": SECRET,
    "setting_hook_secret": "another-secret",
}


def signed_in(role: str) -> Client:
    user = User.objects.create_user(f"{role}@example.org", None, name=role)
    Grant.objects.create(user=user, role=role)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def admin(db: None) -> Client:
    return signed_in("administrator")


@pytest.fixture
def channel(admin: Client) -> Channel:
    admin.post(reverse("channel_new", args=["simulator"]), FORM)
    return Channel.objects.get()


def test_an_account_is_made_with_its_secrets_sealed(channel: Channel) -> None:
    assert account_of(channel).secrets["token"] == SECRET
    assert SECRET.encode() not in bytes(channel.secrets_sealed or b"")
    assert "token" not in channel.settings
    assert (channel.rate_per_second, channel.provider_country) == (12, "DE")
    assert AuditEntry.objects.filter(action="channel.created", ref=str(channel.pk)).exists()


def test_the_page_never_shows_a_secret_again(admin: Client, channel: Channel) -> None:
    html = admin.get(reverse("channel", args=[channel.pk])).content.decode()

    assert "Telefon der Redaktion" in html
    assert SECRET not in html


def test_a_secret_left_empty_stays(admin: Client, channel: Channel) -> None:
    changed = FORM | {"name": "Neuer Name", "setting_token": "", "setting_hook_secret": "new"}

    admin.post(reverse("channel", args=[channel.pk]), changed)

    channel.refresh_from_db()
    assert channel.name == "Neuer Name"
    assert account_of(channel).secrets == {"token": SECRET, "hook_secret": "new"}


def test_a_missing_setting_is_named_beside_its_field(admin: Client) -> None:
    answer = admin.post(reverse("channel_new", args=["simulator"]), FORM | {"setting_token": ""})

    assert "setting_token" in answer.context["form"].errors
    assert not Channel.objects.exists()


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("setting_token", "a\u2013b"),
        ("setting_token", "a\u200bb"),
        ("setting_base_url", "http://bücher.example/"),
        ("setting_base_url", "ftp://example.org"),
    ],
)
def test_what_no_request_could_carry_is_refused_beside_its_field(
    admin: Client, name: str, typed: str
) -> None:
    answer = admin.post(reverse("channel_new", args=["simulator"]), FORM | {name: typed})

    assert list(answer.context["form"].errors) == [name]
    assert typed not in str(answer.context["form"].errors)
    assert not Channel.objects.exists()


@pytest.mark.parametrize("typed", ["Zeitung <news@example.org>", "zeitüng@example.org", "news"])
def test_a_sender_is_one_address_and_nothing_else(admin: Client, typed: str) -> None:
    answer = admin.post(
        reverse("channel_new", args=["email"]), FORM | {"setting_from_address": typed}
    )

    assert "setting_from_address" in answer.context["form"].errors


def test_the_kill_switch_stops_and_releases(admin: Client, channel: Channel) -> None:
    admin.post(reverse("channel_switch", args=[channel.pk]), {"to": "stopped"})
    channel.refresh_from_db()
    stopped = channel.status
    admin.post(reverse("channel_switch", args=[channel.pk]), {"to": "active"})
    channel.refresh_from_db()

    assert (stopped, channel.status) == ("stopped", "active")


def test_an_unknown_messenger_is_not_there(admin: Client) -> None:
    assert admin.get(reverse("channel_new", args=["pigeon"])).status_code == 404


@pytest.mark.parametrize("role", ["editor", "publisher"])
def test_others_are_refused_everywhere(role: str, channel: Channel) -> None:
    client = signed_in(role)
    paths = [
        reverse("channels"),
        reverse("channel", args=[channel.pk]),
        reverse("channel_new", args=["simulator"]),
    ]

    assert [client.get(path).status_code for path in paths] == [403, 403, 403]
    assert (
        client.post(reverse("channel_switch", args=[channel.pk]), {"to": "stopped"}).status_code
        == 403
    )
    channel.refresh_from_db()
    assert channel.status == "active"


def test_get_does_not_switch(admin: Client, channel: Channel) -> None:
    assert admin.get(reverse("channel_switch", args=[channel.pk])).status_code == 405


def test_the_messengers_own_fields_speak_german(admin: Client) -> None:
    html = admin.get(
        reverse("channel_new", args=["simulator"]), headers={"accept-language": "de"}
    ).content.decode()

    assert "Unsere Nummer" in html
    assert "Our number" not in html


def a_failed_event(channel: Channel) -> InboundEvent:
    return InboundEvent.objects.create(
        channel=channel,
        ref=b"0" * 16,
        kind="text",
        status="failed",
        attempts=5,
        received_at=timezone.now(),
        day=timezone.now().date(),
    )


def test_messages_that_failed_are_shown_and_tried_again(admin: Client, channel: Channel) -> None:
    path, retry = (reverse(name, args=[channel.pk]) for name in ("channel", "channel_retry_inbox"))
    assert retry not in admin.get(path).content.decode()
    event = a_failed_event(channel)
    assert retry in admin.get(path).content.decode()

    admin.post(retry)

    event.refresh_from_db()
    assert (event.status, event.attempts) == ("waiting", 0)
    assert AuditEntry.objects.filter(action="inbox.retried").exists()


def test_only_administrators_try_messages_again(channel: Channel) -> None:
    event = a_failed_event(channel)

    answer = signed_in("publisher").post(reverse("channel_retry_inbox", args=[channel.pk]))

    event.refresh_from_db()
    assert (answer.status_code, event.status) == (403, "failed")


def test_an_account_led_elsewhere_needs_its_secrets_again(admin: Client, channel: Channel) -> None:
    moved = FORM | {"setting_base_url": "https://elsewhere.example.org"}
    without = moved | {"setting_token": "", "setting_hook_secret": ""}
    path = reverse("channel", args=[channel.pk])

    answer = admin.post(path, without)
    channel.refresh_from_db()
    assert {"setting_token", "setting_hook_secret"} <= set(answer.context["form"].errors)
    assert channel.settings["base_url"] == FORM["setting_base_url"]

    admin.post(path, moved)
    channel.refresh_from_db()
    assert channel.settings["base_url"] == "https://elsewhere.example.org"


def test_what_an_operator_set_beside_the_form_stays(admin: Client, channel: Channel) -> None:
    Channel.objects.update(settings=channel.settings | {"call_seconds": 7})

    admin.post(reverse("channel", args=[channel.pk]), FORM | {"name": "Anders"})

    channel.refresh_from_db()
    assert (channel.name, channel.settings["call_seconds"]) == ("Anders", 7)


def empty_profile() -> dict[str, str]:
    return {name: text for name, text in FORM.items() if not name.startswith("profile-")}


def test_an_account_without_a_profile_is_made_but_cannot_go_live(admin: Client) -> None:
    admin.post(reverse("channel_new", args=["simulator"]), empty_profile())
    made = Channel.objects.get()
    page = reverse("channel", args=[made.pk])
    assert (made.status, is_complete(made.pk)) == ("stopped", False)

    answer = admin.post(
        reverse("channel_switch", args=[made.pk]), {"to": "active"}, follow=True, headers=ENGLISH
    )

    made.refresh_from_db()
    assert made.status == "stopped"
    said = answer.content.decode()
    assert "cannot send before its profile is complete" in said
    assert "its country" in said
    with pytest.raises(ProfileIncomplete):
        start_channel(channel=made, actor=Actor.system("test"))

    admin.post(page, FORM)
    admin.post(reverse("channel_switch", args=[made.pk]), {"to": "active"})

    made.refresh_from_db()
    assert (made.status, made.provider_name) == ("active", "Jawort")


def test_an_account_that_sends_keeps_a_complete_profile(admin: Client, channel: Channel) -> None:
    gutted = FORM | {"profile-retention": "", "name": "Anders"}

    answer = admin.post(reverse("channel", args=[channel.pk]), gutted, headers=ENGLISH)

    channel.refresh_from_db()
    assert "how long it keeps data" in answer.content.decode()
    assert channel.name == FORM["name"]
    assert is_complete(channel.pk)


def test_what_is_known_about_a_messenger_fills_the_profile_in(admin: Client) -> None:
    path = reverse("channel_new", args=["simulator"])
    html = admin.get(path, headers=ENGLISH).content.decode()

    assert "as long as the demo runs" in html
    assert "publicly known in November 2026" in html


def test_the_signed_contract_is_kept_sealed_and_handed_out_whole(
    admin: Client, channel: Channel
) -> None:
    signed = b"%PDF-1.7 signed by both"
    file = SimpleUploadedFile("avv.pdf", signed, content_type="application/pdf")

    admin.post(reverse("channel", args=[channel.pk]), FORM | {"profile-contract_file": file})

    stored = profile_of(channel.pk)
    assert stored is not None
    assert signed not in bytes(stored.contract_sealed or b"")
    assert stored.contract_sha256 == sha256(signed).hexdigest()
    answer = admin.get(reverse("channel_contract", args=[channel.pk]))
    assert answer.content == signed
    assert answer["Content-Disposition"].startswith("attachment")


def test_the_officer_may_stop_a_channel_and_leaves_the_rest_to_the_administrator(
    admin: Client, channel: Channel
) -> None:
    officer, path = signed_in("dpo"), reverse("channel_switch", args=[channel.pk])

    assert officer.post(path, {"to": "stopped"}).url == reverse("privacy:processors")
    channel.refresh_from_db()
    assert channel.status == "stopped"
    entry = AuditEntry.objects.get(action="channel.switched")
    assert entry.actor == f"staff:{User.objects.get(email='dpo@example.org').pk}"
    assert officer.post(path, {"to": "active"}).status_code == 403
    admin.post(path, {"to": "active"})
    channel.refresh_from_db()
    assert channel.status == "active"
