"""Rows that a test of the suite plays already: named here, and run by pytest."""

from tests.chaos.scenarios import tested

tested(
    "C4",
    "tests/broadcasts/test_races.py::test_killed_before_the_commit_nothing_has_happened",
    "tests/broadcasts/test_races.py::test_killed_after_the_commit_everything_has_happened",
    "tests/broadcasts/test_races.py::test_five_clicks_at_once_start_it_once",
    "tests/broadcasts/test_start.py::test_the_same_click_again_gives_the_same_broadcast",
    event='kill -9 of the web server during the click on "send"',
    promised="snapshot and rows whole, or nothing; the same key is the same broadcast",
)
tested(
    "C17",
    "tests/stopping/test_stopping_short.py",
    event="STOP at random moments of a broadcast",
    promised="no intent commits after it; an engine without gates is caught",
)
tested(
    "C18",
    "tests/messengers/test_engine.py::test_a_destroyed_key_is_suppressed_as_erased",
    "tests/messengers/test_engine.py::test_closed_gates_are_suppressed_with_their_reason",
    "tests/privacy/test_erasure_killed.py",
    event="a person is erased in the middle of a broadcast, killed between the steps",
    promised="queued rows become suppressed: erased; the counts stay; the next run finishes",
)
tested(
    "C19",
    "tests/subscriptions/test_races.py",
    event="JA and STOP at once, two of each, a claim between them",
    promised="one after the other on the row; a STOP is never overtaken",
)
tested(
    "C20",
    "tests/broadcasts/test_start.py::test_the_frozen_hash_is_that_of_what_leaves",
    "tests/broadcasts/test_actions.py::test_what_was_sent_is_neither_edited_nor_deleted",
    "tests/messengers/test_engine.py::test_cancelling_in_the_middle_marks_exactly_what_did_not_leave",
    "tests/messengers/test_races.py::test_no_intent_commits_after_a_dispatch_was_ended",
    event="edited or cancelled while it runs",
    promised="what leaves is what was frozen; no intent commits after the end",
)
tested(
    "C21",
    "tests/messengers/test_engine.py::test_a_person_whose_text_cannot_be_made_does_not_stop_the_batch",
    "tests/messengers/test_engine.py::test_a_batch_that_kills_its_workers_fails_at_last",
    "tests/messengers/test_hooks.py::test_a_poisonous_event_fails_visibly_and_stops_nobody",
    event="a text that cannot be made, a batch that kills its workers, an event that breaks",
    promised="that row fails by name, the other 255 go on",
)
tested(
    "C22",
    "tests/messengers/test_engine.py::test_activation_elsewhere_stops_a_running_worker",
    "tests/messengers/test_engine.py::test_a_copied_database_sends_nothing_until_somebody_says_so",
    event="a worker of another instance or epoch beside the new one",
    promised="it sends nothing more",
)
