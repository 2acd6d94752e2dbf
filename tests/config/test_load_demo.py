"""The demo newsroom is made once, with passwords that are shown once and stored nowhere."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from config.story.system import sign_ins_in
from messengers.models import Channel
from privacy.models import Controller, User
from subscriptions.models import Newsletter


@pytest.fixture(autouse=True)
def demo(settings: Any) -> None:
    settings.JAWORT_DEMO = True


def load() -> str:
    out = io.StringIO()
    call_command("load_demo", stdout=out)
    return out.getvalue()


def test_the_first_time_makes_a_newsroom_and_names_three_sign_ins(db: None) -> None:
    sign_ins = sign_ins_in(load())

    assert set(sign_ins) == {"editor", "dpo", "administrator"}
    newsletter = Newsletter.objects.get()
    assert [topic.slug for topic in newsletter.topics.all()] == ["lokales", "sport", "kultur"]
    assert {channel.kind for channel in newsletter.channels.all()} == {"simulator", "email"}
    assert {w.language for w in newsletter.wordings.all()} == {"de", "en"}
    for email, password in sign_ins.values():
        assert User.objects.get(email=email).check_password(password)


def test_its_passwords_open_the_door(db: None) -> None:
    email, password = sign_ins_in(load())["editor"]
    client = Client()

    answer = client.post("/accounts/login/", {"login": email, "password": password})

    assert answer.status_code == 302
    assert client.get("/desk/").status_code == 200


def test_the_second_time_changes_and_says_nothing(db: None) -> None:
    load()
    before = (User.objects.count(), Channel.objects.count(), Controller.objects.count())

    said = load()

    assert said == ""
    assert (User.objects.count(), Channel.objects.count(), Controller.objects.count()) == before


def test_an_installation_for_real_work_gets_no_demo(db: None, settings: Any) -> None:
    settings.JAWORT_DEMO = False

    with pytest.raises(CommandError, match="demo only"):
        load()
    assert not User.objects.exists()
