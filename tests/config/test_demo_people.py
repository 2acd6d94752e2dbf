"""The demo's subscriber lists are what they say: always the same, and wrong only on purpose."""

import json
from pathlib import Path

import phonenumbers

from config.demo.people import by_mail, by_phone, invented_numbers, spellings, write_lists


def test_every_spelling_of_an_invented_number_is_the_same_valid_number() -> None:
    for national in invented_numbers():
        for text in spellings(national):
            number = phonenumbers.parse(text, "DE")
            assert (phonenumbers.is_valid_number(number), str(number.national_number)) == (
                True,
                national,
            )


def test_the_lists_are_the_same_every_time() -> None:
    assert by_phone().text() == by_phone().text()
    assert by_mail().text() == by_mail().text()


def test_the_truth_counts_every_row() -> None:
    people = by_phone()

    assert people.truth["good"] == 1_000
    assert people.truth.total() == len(people.rows)
    assert set(people.truth) >= {"duplicate", "bad_address", "missing_evidence", "withdrawn"}


def test_good_rows_are_a_thousand_different_people() -> None:
    people = by_phone()
    numbers = set()
    for row in people.rows:
        try:
            numbers.add(phonenumbers.parse(row[0], "DE").national_number)
        except phonenumbers.NumberParseException:
            continue

    assert len(numbers) >= 1_000


def test_files_have_the_encodings_that_offices_produce(tmp_path: Path) -> None:
    write_lists(tmp_path)

    assert (tmp_path / "people.csv").read_bytes().startswith(b"\xef\xbb\xbfTelefon;Vorname")
    latin = (tmp_path / "people-latin1.csv").read_bytes()
    assert "Weiß".encode("latin-1") in latin
    assert "Weiß".encode() not in latin
    truth = json.loads((tmp_path / "people.truth.json").read_text())
    assert truth["people.csv"]["rows"]["good"] == 1_000
