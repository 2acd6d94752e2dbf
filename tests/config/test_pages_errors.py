"""What people see when something is wrong: our frame, plain words, a way back."""

import pytest
from django.http import HttpRequest
from django.test import Client
from django.urls import path

from config.urls import urlpatterns as real_urls
from tests.broadcasts.house import make_staff

pytestmark = pytest.mark.django_db


def broken(request: HttpRequest) -> None:
    raise RuntimeError("a fault of ours")


urlpatterns = [path("broken/", broken), *real_urls]


def is_ours(answer, status: int) -> bool:
    page = answer.content.decode()
    return answer.status_code == status and "config/app.css" in page and 'href="/"' in page


def test_an_unknown_address_answers_in_our_words(client):
    assert is_ours(client.get("/nowhere/"), 404)


def test_what_is_not_allowed_says_so(settings):
    settings.JAWORT_DEMO = True
    client = Client()
    client.force_login(make_staff("editor"))

    assert is_ours(client.get("/staff/"), 403)


def test_a_form_without_its_token_says_what_to_do():
    answer = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "x"})

    assert is_ours(answer, 403)
    assert str(answer.content).count("<h1>") == 1


def test_a_fault_of_ours_needs_no_database_to_be_told(settings):
    settings.ROOT_URLCONF = __name__
    client = Client(raise_request_exception=False)

    answer = client.get("/broken/")

    assert is_ours(answer, 500)
    assert "a fault of ours" not in answer.content.decode()
