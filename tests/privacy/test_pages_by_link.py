"""Pages that a link opens: a GET changes nothing, nothing is kept, a link works as far as it
should.
"""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.test import Client

from privacy.models import ExportPackage, Request
from privacy.requests import actions
from tests.privacy.requests_world import ask, controller, officer, people, subject

pytestmark = pytest.mark.django_db


@pytest.fixture
def stranger():
    """A browser without a session that sends no CSRF token."""
    return Client(enforce_csrf_checks=True)


def path_in(people):
    return people.sent[-1][2]["link"].partition("8000")[2]


@pytest.fixture
def package_path(ask, officer, people, controller):
    actions.complete_access(request=ask("access"), actor=officer)
    return path_in(people)


@pytest.fixture
def proof_path(ask, officer, people):
    letter = ask("erasure", origin="staff", verified=False, actor=officer)
    actions.ask_identity(request=letter, actor=officer)
    return path_in(people)


def test_the_button_downloads_once(
    stranger, package_path, settings, django_capture_on_commit_callbacks
):
    for _scanner in range(20):
        assert stranger.get(package_path).status_code == 200
        assert stranger.head(package_path).status_code == 200
    assert ExportPackage.objects.get().downloaded_at is None

    with django_capture_on_commit_callbacks(execute=True):
        got = stranger.post(package_path)

    assert got.status_code == 200
    assert got["Content-Type"] == "application/zip"
    assert "data.json" in zipfile.ZipFile(io.BytesIO(got.content)).namelist()
    assert stranger.post(package_path).status_code == 410
    assert stranger.get(package_path).status_code == 410
    assert list(settings.JAWORT_EXPORT_DIR.iterdir()) == []


@pytest.mark.django_db(transaction=True)
def test_pressed_by_six_at_once_one_gets_it(package_path):
    def press(_number):
        try:
            return Client().post(package_path).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(press, range(6))) == [200, 410, 410, 410, 410, 410]


def test_nothing_on_the_way_keeps_it(stranger, package_path, proof_path):
    for path in (package_path, proof_path, "/privacy/erased/x/", "/privacy/answer/x/"):
        page = stranger.get(path)
        assert page["Cache-Control"] == "no-store"
        assert page["Referrer-Policy"] == "no-referrer"
        assert not page.cookies
    got = stranger.post(package_path)
    assert got["Cache-Control"] == "no-store"
    assert "attachment" in got["Content-Disposition"]


def test_links_of_one_kind_are_noise_for_the_others(stranger, package_path, proof_path):
    token = package_path.rstrip("/").rpartition("/")[2]
    for kind in ("proof", "erased"):
        assert stranger.get(f"/privacy/{kind}/{token}/").status_code == 410
    token = proof_path.rstrip("/").rpartition("/")[2]
    for kind in ("answer", "erased"):
        assert stranger.post(f"/privacy/{kind}/{token}/").status_code in (405, 410)


def test_unknown_expired_and_used_look_alike(stranger, package_path):
    unknown = stranger.get("/privacy/answer/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/")
    stranger.post(package_path)
    used = stranger.get(package_path)

    assert (unknown.status_code, unknown.content) == (used.status_code, used.content)


def test_yes_and_no_are_given_by_post_only(stranger, proof_path, people):
    for _scanner in range(20):
        assert stranger.get(proof_path).status_code == 200
    assert Request.objects.get().status == "verifying"

    assert stranger.post(proof_path, {"answer": "yes"}).status_code == 200

    request = Request.objects.get()
    assert (request.status, request.is_verified) == ("received", True)
    assert stranger.post(proof_path, {"answer": "no"}).status_code == 410
    assert Request.objects.get().status == "received"


def test_anything_but_yes_is_no(stranger, proof_path, people):
    stranger.post(proof_path, {"answer": "YES PLEASE"})

    assert Request.objects.get().outcome == "not_identified"
    assert people.run("SELECT is_open FROM people_person") == [(True,)]
