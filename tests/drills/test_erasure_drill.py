"""The erasure drill: many people live through everything and go; nothing of them is ever in clear.

They are imported, written to, write back, ask for their data and ask to be erased. Then whoever had
stolen whatever there is looks for each of them in each spelling: dumps of both databases, table
files, write-ahead logs, server logs, queue, cache, our log, packages. Before the erasure, because
everything was sealed from the beginning; after it; and in a dump from before it, restored beside
the keys of today. Each place is shown to give away what somebody careless leaves there.

Six people in the suite; `python -m tests.drills.erasure` plays it with 1,000.
"""

import os
import time

import pytest

from tests.canary.places import Database
from tests.canary.world import Canaries, world
from tests.drills.crowd import Crowd
from tests.drills.net import Net
from tests.drills.stolen import RestoredCopy, look_everywhere, places_of
from tests.drills.table import table

PEOPLE = int(os.environ.get("JAWORT_DRILL_PEOPLE", "6"))


@pytest.mark.slow
def test_nothing_of_the_erased_is_found_anywhere(
    transactional_db, clusters, log_file, monkeypatch, settings, tmp_path
):
    settings.SUPPRESSION_ARGON2 = (8, 1)  # this is no test of its slowness
    since = time.time()
    databases = {alias: Database(clusters, alias, since) for alias in ("default", "keystore")}
    with world(Canaries(), monkeypatch) as newsroom:
        crowd = Crowd(newsroom, PEOPLE)
        crowd.lives_through_everything()
        net = Net(crowd.values())
        places = places_of(databases.values(), log_file)

        before = look_everywhere(places, net)
        copy = RestoredCopy(databases["default"], tmp_path)
        assert copy.readable(crowd.subjects) == PEOPLE  # or its silence below would mean nothing
        seconds = crowd.is_erased()
        after = look_everywhere(places, net)

        unreadable = PEOPLE - copy.readable(crowd.subjects)
        counts = copy.erase_again(crowd.subjects)
        assert copy.erase_again(crowd.subjects) == {}
        copy.drop()
    for one in databases.values():
        one.remove_nest()
    print(table(PEOPLE, before, after, unreadable, counts, seconds))

    assert [hit for look in (*before, *after) for hit in look.hits] == []
    assert unreadable == PEOPLE
    assert counts["messengers.Address"] == PEOPLE
    assert crowd.left_behind() == []
