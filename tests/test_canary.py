"""No identifier in clear, anywhere: six canaries fly through everything, and no net catches one.

Each net is tried first: a planted value must be found in that very place, or its silence would mean
nothing.
"""

import dataclasses
import logging
import time
import urllib.error
import urllib.request

import pytest
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile

from config.logs import JsonFormatter
from tests.canary.forms import Needles, forms
from tests.canary.places import Database, other_places
from tests.canary.world import FLOWS, Canaries, make_token, world


@pytest.fixture
def log_file(tmp_path):
    """Everything that the house logs, as it would be written in production."""
    file = tmp_path / "jawort.log"
    handler = logging.FileHandler(file)
    handler.setFormatter(JsonFormatter())
    root, before = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield file
    root.removeHandler(handler)
    handler.close()
    root.setLevel(before)


def ask_with(url: str, base: str) -> None:
    """A careless request: the value stands in the address."""
    try:
        urllib.request.urlopen(f"{base}/api/{url.replace(' ', '%20')}", timeout=5)
    except (urllib.error.HTTPError, ConnectionError):
        return


@pytest.mark.slow
def test_no_canary_comes_to_light(transactional_db, clusters, log_file, monkeypatch):
    since = time.time()
    databases = [Database(clusters, alias, since) for alias in ("default", "keystore")]
    with world(Canaries(), monkeypatch) as newsroom:
        token = make_token(newsroom)
        newsroom.canaries = dataclasses.replace(newsroom.canaries, api_token=token)
        for live in FLOWS:
            live(newsroom)
        base = str(newsroom.chat.settings["base_url"])
        urls = newsroom.provider.urls
        places = [place for one in databases for place in one.places()]
        places += other_places(log_file, urls, lambda value: ask_with(value, base))
        assert urls
        assert newsroom.mails.accepted

        came_to_light = lay_and_look(places, Needles(dataclasses.asdict(newsroom.canaries)))

    for one in databases:
        one.remove_nest()
    assert came_to_light == []


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


def test_a_long_list_of_people_never_lies_on_the_disk(rf):
    """Django would write uploads of more than 2.5 MB to a temporary file."""
    long = SimpleUploadedFile("people.csv", b"+4917604069001;Erika\n" * 200_000)

    uploaded = rf.post("/desk/imports/new/", {"file": long}).FILES["file"]

    assert isinstance(uploaded, InMemoryUploadedFile)
    assert uploaded.size == long.size > 4 * 1024 * 1024


@pytest.mark.parametrize("wrapped", ["{}", "x{}y", '{{"a": "{}"}}', "ab{}"])
def test_every_spelling_is_recognised(wrapped):
    """Whatever a value is wrapped into before it is encoded, its spelling is still found."""
    import base64
    from urllib.parse import quote

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
