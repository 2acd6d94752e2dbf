import pytest
from django.core.cache import cache
from django.db import connections
from django.test import Client

from config.cache import hashed_key
from config.databases import insert_only_tables

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("address", ["/livez", "/readyz", "/accounts/login/", "/no-such-page"])
def test_every_answer_carries_the_strict_headers(client, address):
    response = client.get(address)

    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Server" not in response
    assert "X-Powered-By" not in response


def test_a_host_that_is_not_ours_is_refused():
    assert Client(headers={"host": "evil.example.org"}).get("/livez").status_code == 400


def test_health_pages_take_no_writing(client):
    assert client.post("/livez").status_code == 405


def test_nobody_signs_up(client):
    response = client.post(
        "/accounts/signup/",
        {"email": "neu@example.org", "password1": "correct horse battery"},
    )

    assert b"neu@example.org" not in response.content
    assert "sessionid" not in response.cookies


def test_a_key_of_the_cache_never_stands_in_the_database_in_clear():
    cache.set("guess:+4917604069001", 1)

    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT string_agg(cache_key, ' ') FROM cache")
        keys = cursor.fetchone()[0]
    assert keys == hashed_key("guess:+4917604069001", "", 1)
    assert "4917604069001" not in keys


def test_the_app_may_add_evidence_but_not_change_it(as_app):
    query = "SELECT has_table_privilege(%s, %s)"
    rights = {}
    with as_app("default"), connections["default"].cursor() as cursor:
        for table in insert_only_tables():
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"):
                cursor.execute(query, [table, right])
                rights[table, right] = cursor.fetchone()[0]

    assert rights
    assert all(granted is (right in ("SELECT", "INSERT")) for (_, right), granted in rights.items())


def test_the_app_may_write_rows_but_not_make_tables(as_app):
    with as_app("default"), connections["default"].cursor() as cursor:
        cursor.execute("SELECT has_table_privilege('django_session', 'UPDATE')")
        assert cursor.fetchone() == (True,)
        cursor.execute("SELECT has_schema_privilege('public', 'CREATE')")
        assert cursor.fetchone() == (False,)
