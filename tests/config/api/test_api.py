"""The API: what a program sees, and that it gets no further than its token."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import get_resolver, resolve, reverse
from django.utils import timezone

from broadcasts.models import Broadcast
from config.api.urls import router
from privacy.models import ApiToken, User
from subscriptions.models import Newsletter
from tests.config.api.conftest import Api

DRAFT = {
    "title": "Pokal",
    "markdown": "**Tor** in der 91. Minute, {first_name|liebe Leser}!",
    "buttons": [{"label": "Lesen", "url": "https://example.org/pokal"}],
    "audience": {"topic": ["sport"]},
}


def json(
    client: Client, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, dict]:
    call = getattr(client, method)
    if method == "get":
        response = call(path, headers=headers)
    else:
        response = call(path, body or {}, content_type="application/json", headers=headers)
    return response.status_code, response.json()


def a_draft(client: Client, newsletter: Newsletter, **changes: object) -> dict:
    body = DRAFT | {"newsletter": newsletter.pk} | changes
    status, draft = json(client, "post", "/api/v1/broadcasts/", body)
    assert status == 201, draft
    return draft


def test_a_program_reads_the_newsletters_with_topics(api: Api, city: Newsletter) -> None:
    status, page = json(api("editor"), "get", "/api/v1/newsletters/")

    assert status == 200
    assert [(n["slug"], [t["slug"] for t in n["topics"]]) for n in page["results"]] == [
        ("stadt", ["sport"])
    ]


def test_another_newsletter_is_as_if_it_were_not_there(
    api: Api, city: Newsletter, county: Newsletter
) -> None:
    foreign = a_draft(api("editor", county), county, audience={})
    client = api("publisher", city)

    assert [n["slug"] for n in json(client, "get", "/api/v1/newsletters/")[1]["results"]] == [
        "stadt"
    ]
    assert json(client, "get", f"/api/v1/newsletters/{county.pk}/")[0] == 404
    assert json(client, "get", "/api/v1/broadcasts/")[1]["results"] == []
    for verb in ("start", "pause", "resume", "cancel"):
        status, said = json(
            client,
            "post",
            f"/api/v1/broadcasts/{foreign['id']}/{verb}/",
            **{"Idempotency-Key": "k"},
        )
        assert (status, said["code"]) == (404, "not_found")
    status, _ = json(client, "post", "/api/v1/broadcasts/", DRAFT | {"newsletter": county.pk})
    assert status == 404
    assert Broadcast.objects.count() == 1


def test_a_draft_is_written_changed_and_read_back(api: Api, city: Newsletter) -> None:
    client = api("editor")
    draft = a_draft(client, city)

    status, changed = json(
        client,
        "patch",
        f"/api/v1/broadcasts/{draft['id']}/",
        {"title": "Finale", "newsletter": "x"},
    )
    read = json(client, "get", f"/api/v1/broadcasts/{draft['id']}/")[1]

    assert status == 200, changed
    assert (read["title"], read["markdown"], read["status"]) == (
        "Finale",
        DRAFT["markdown"],
        "draft",
    )
    assert read["buttons"] == DRAFT["buttons"]
    assert read["newsletter"] == str(city.pk)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"audience": {"colour": ["red"]}}, "audience"),
        ({"buttons": [{"label": "x", "url": "javascript:alert(1)"}]}, "buttons"),
        ({"buttons": [{"label": "x", "url": "https://example.org"}] * 4}, "buttons"),
        ({"title": ""}, "title"),
        ({"newsletter": "not-an-id"}, "newsletter"),
    ],
)
def test_bad_input_is_named_and_writes_nothing(
    api: Api, city: Newsletter, change: dict, field: str
) -> None:
    status, said = json(
        api("editor"), "post", "/api/v1/broadcasts/", DRAFT | {"newsletter": city.pk} | change
    )

    assert (status, said["code"]) == (400, "invalid")
    assert field in said["errors"]
    assert not Broadcast.objects.exists()


def test_an_editor_may_not_send(api: Api, city: Newsletter) -> None:
    client = api("editor")
    draft = a_draft(client, city)

    status, said = json(
        client, "post", f"/api/v1/broadcasts/{draft['id']}/start/", **{"Idempotency-Key": "one"}
    )

    assert (status, said["code"]) == (403, "permission_denied")
    assert Broadcast.objects.get().status == "draft"


def test_a_token_can_do_less_than_its_owner(api: Api, city: Newsletter) -> None:
    client = api("publisher", scopes=["newsletter.read"])

    assert json(client, "get", "/api/v1/newsletters/")[0] == 200
    assert json(client, "get", "/api/v1/broadcasts/")[0] == 403
    assert json(client, "post", "/api/v1/broadcasts/", DRAFT | {"newsletter": city.pk})[0] == 403


def test_starting_needs_a_key_and_somebody_to_send_to(api: Api, city: Newsletter) -> None:
    client = api("publisher")
    path = f"/api/v1/broadcasts/{a_draft(client, city)['id']}/start/"

    status, said = json(client, "post", path)
    assert (status, "Idempotency-Key" in said["errors"]) == (400, True)
    status, said = json(client, "post", path, **{"Idempotency-Key": "one"})
    assert (status, said["code"]) == (409, "no_audience")


def test_unknown_filters_and_values_are_refused_by_name(api: Api, city: Newsletter) -> None:
    client = api("publisher")

    for query in ("password=x", "newsletter__name=x", "newsletter=17", "status=%00"):
        status, said = json(client, "get", f"/api/v1/broadcasts/?{query}")
        assert (status, said["code"]) == (400, "invalid"), query


def test_requests_are_for_the_dpo_and_name_nobody(api: Api, city: Newsletter) -> None:
    client = api("dpo")
    status, made = json(client, "post", "/api/v1/requests/", {"kind": "access"})
    page = json(client, "get", "/api/v1/requests/")[1]

    assert status == 201
    assert (made["origin"], made["is_verified"], made["status"]) == ("staff", False, "received")
    assert [row["number"] for row in page["results"]] == [made["number"]]
    assert {"subject", "address", "note_sealed"}.isdisjoint(made)
    assert json(api("publisher"), "get", "/api/v1/requests/")[0] == 403


def test_no_token_wrong_token_ended_token(api: Api, city: Newsletter) -> None:
    ended = api("publisher")
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    clients = [
        Client(),
        Client(headers={"authorization": "Bearer jw_nonsense"}),
        Client(headers={"authorization": "Basic eDp5"}),
        ended,
    ]

    for client in clients:
        status, said = json(client, "get", "/api/v1/newsletters/")
        assert status == 401
        assert set(said) == {"code", "message"}


def test_a_session_counts_for_nothing_here(api: Api, city: Newsletter) -> None:
    api("administrator")
    client = Client()
    client.force_login(User.objects.get())

    assert client.get("/api/v1/newsletters/").status_code == 401


def test_a_locked_owner_locks_the_token(api: Api, city: Newsletter) -> None:
    client = api("publisher")
    assert json(client, "get", "/api/v1/newsletters/")[0] == 200
    User.objects.update(is_active=False)

    assert json(client, "get", "/api/v1/newsletters/")[0] == 401


def routes() -> list[tuple[str, str, type, str]]:
    """(method, path, view, what it does) for everything that the router knows."""
    found = []
    for prefix, viewset, name in router.registry:
        for route in router.get_routes(viewset):
            for method, does in router.get_method_map(viewset, route.mapping).items():
                path = reverse(
                    route.name.format(basename=name),
                    args=[uuid4()] if route.detail else [],
                )
                assert prefix in path
                found.append((method, path, viewset, does))
    return found


def test_the_walk_over_the_routes_misses_none() -> None:
    known = {
        (method, pattern.name)
        for pattern in get_resolver("config.api.urls").url_patterns
        if pattern.name != "schema"
        for method in set(pattern.callback.actions) - {"head"}  # Django's own answer to a GET
    }
    assert ("post", "broadcast-start") in known

    assert {(method, resolve(path).url_name) for method, path, _view, _does in routes()} == known


def test_every_route_names_its_rights() -> None:
    for _method, _path, view, does in routes():
        assert view.rights.get(does), f"{view.__name__}.{does} names no right"


@pytest.mark.parametrize("body", [None, DRAFT], ids=["empty", "draft"])
def test_no_route_opens_without_a_token(db: None, body: dict | None) -> None:
    for method, path, _view, _does in routes():
        status, said = json(Client(), method, path, body, **{"Idempotency-Key": "one"})
        assert (status, said["code"]) == (401, "not_authenticated"), f"{method} {path}"


@pytest.mark.parametrize("role", ["publisher", "dpo", "administrator"])
def test_no_route_opens_to_a_token_without_scopes(
    api: Api, city: Newsletter, county: Newsletter, role: str
) -> None:
    client = api(role)
    assert json(client, "get", "/api/v1/newsletters/")[0] == 200
    ApiToken.objects.update(scopes=[])

    for method, path, _view, _does in routes():
        status, said = json(client, method, path, DRAFT, **{"Idempotency-Key": "one"})
        assert (status, said["code"]) == (403, "permission_denied"), f"{method} {path}"
    assert not Broadcast.objects.exists()


def test_the_schema_describes_every_path_and_is_not_public(api: Api, city: Newsletter) -> None:
    assert Client().get("/api/v1/schema/").status_code == 401

    text = api("editor").get("/api/v1/schema/").content.decode()

    for path in ("newsletters/", "subscriptions/{id}/", "broadcasts/{id}/start/", "requests/"):
        assert f"/api/v1/{path}" in text
