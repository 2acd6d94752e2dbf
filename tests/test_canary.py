"""No identifier and no secret in clear: eleven canaries fly through everything, no net catches one.

Each net is tried first: a planted value must be found in that very place, or its silence would mean
nothing.
"""

import base64
import dataclasses
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile
from django.http import HttpResponse, JsonResponse

from tests import canary
from tests.canary.forms import Needles, forms
from tests.canary.places import Database, Place, addresses, other_places
from tests.canary.visitor import addresses_in
from tests.canary.world import FLOWS, Canaries, make_token, world


def ask_with(url: str, base: str) -> None:
    """A careless request: the value stands in the address."""
    try:
        urllib.request.urlopen(f"{base}/api/{url.replace(' ', '%20')}", timeout=5)
    except (urllib.error.HTTPError, ConnectionError):
        return


@pytest.mark.slow
def test_no_canary_comes_to_light(transactional_db, clusters, log_file, monkeypatch, settings):
    since = time.time()
    databases = [Database(clusters, alias, since) for alias in ("default", "keystore")]
    canaries = Canaries()
    settings.JAWORT_KEY = canaries.root_key
    with world(canaries, monkeypatch) as newsroom:
        token = make_token(newsroom)
        newsroom.canaries = dataclasses.replace(newsroom.canaries, api_token=token)
        for live in FLOWS:
            live(newsroom)
        places = [place for one in databases for place in one.places()]
        places += other_places(log_file) + places_of_addresses(newsroom)
        assert newsroom.mails.accepted

        came_to_light = lay_and_look(places, Needles(dataclasses.asdict(newsroom.canaries)))

    for one in databases:
        one.remove_nest()
    assert came_to_light == []


def places_of_addresses(newsroom) -> list[Place]:
    """What we asked a provider for, what our pages and answers point at, what people were sent."""
    base = str(newsroom.chat.settings["base_url"])
    asked, sent, publisher = newsroom.provider.urls, newsroom.addresses_sent(), newsroom.visitor()
    assert all((asked, sent, newsroom.seen))
    return [
        addresses("addresses asked for", asked, lambda value: ask_with(value, base)),
        # Whoever is not signed in is sent to the sign-in, with the page they asked for behind it.
        addresses("our own addresses", newsroom.seen, lambda egg: publisher.get(f"/desk/?x={egg}")),
        addresses("addresses sent", sent, sent.append),
    ]


def lay_and_look(places, canaries: Needles) -> list[str]:
    """Look for the canaries everywhere; a net that does not find the cuckoo's egg is torn."""
    found: list[str] = []
    for number, place in enumerate(places):
        egg = f"kuckuck{time.time_ns():020}{number}"
        net = Needles({"egg": egg})
        content = list(place.read())
        found += [f"{place.name}: {hit}" for hit in canaries.found_in(content)]
        assert net.found_in(content) == [], place.name
        place.plant(egg)
        assert net.found_in(place.read()), f"the net over {place.name} is torn"
    return found


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse(status=302, headers={"Location": "/x/egg/"}),
        HttpResponse(headers={"HX-Redirect": "/x/egg/"}),
        HttpResponse("<p><a href='/x?y=egg'>"),
        HttpResponse('<form method="post" action="/x/&#101;gg/">'),
        HttpResponse('<div hx-get="/x/egg/"></div>'),
        HttpResponse('<div hx-vals=\'{"to": "egg"}\'></div>'),
        HttpResponse('<img src="/x/egg.png"/>'),
        JsonResponse({"next": "https://example.org/x/egg/"}),
    ],
    ids=lambda answer: answer.content.decode() or str(answer.headers),
)
def test_an_address_is_seen_wherever_an_answer_holds_it(answer):
    assert "egg" in "".join(addresses_in(answer))


def test_what_is_only_shown_is_no_address():
    assert list(addresses_in(HttpResponse("<p title='egg'>egg</p>"))) == []


def test_the_pages_say_how_many_canaries_fly():
    number = {11: "eleven"}[len(dataclasses.fields(Canaries))]
    page = Path(__file__).parent.parent / "docs" / "privacy-model.md"

    for text in (__doc__, page.read_text(encoding="utf-8"), str(canary.__doc__).lower()):
        assert f"{number} " in text


def test_a_long_list_of_people_never_lies_on_the_disk(rf):
    """Django would write uploads of more than 2.5 MB to a temporary file."""
    long = SimpleUploadedFile("people.csv", b"+4917604069001;Erika\n" * 200_000)

    uploaded = rf.post("/desk/imports/new/", {"file": long}).FILES["file"]

    assert isinstance(uploaded, InMemoryUploadedFile)
    assert uploaded.size == long.size > 4 * 1024 * 1024


@pytest.mark.parametrize("wrapped", ["{}", "x{}y", '{{"a": "{}"}}', "ab{}"])
def test_every_spelling_is_recognised(wrapped):
    """Whatever a value is wrapped into before it is encoded, its spelling is still found."""
    value = "+4917604069001 erika@example.org"
    text = wrapped.format(value)
    needles = Needles({"phone": value})
    for spelled in (
        text.encode(),
        text.encode().hex().encode(),
        base64.b64encode(text.encode()),
        base64.urlsafe_b64encode(text.encode()),
        quote(text, safe="").encode(),
        text.encode("utf-16-le"),
    ):
        assert needles.found_in([("here", spelled)])
    assert needles.found_in([("here", b"nothing")]) == []
    assert b"4917604069001" in forms("+49 176 0406-9001").values()


@pytest.mark.parametrize(
    "wrap", [bytes, bytes.hex, base64.b64encode, base64.urlsafe_b64encode, repr]
)
def test_a_key_is_recognised_in_every_spelling(wrap):
    key = bytes(range(7, 256, 8))
    spelled = wrap(key)
    content = spelled if isinstance(spelled, bytes) else spelled.encode()

    assert Needles({"key": key}).found_in([("here", b"before" + content + b"after")])
    assert Needles({"key": key}).found_in([("here", b"nothing")]) == []
