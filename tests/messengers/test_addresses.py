"""Addresses are found without being known, and open only for the person's own key."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections

from messengers.addresses import (
    Profile,
    add_identifier,
    find_address,
    get_or_create_address,
    profile_of,
    reveal,
    set_profile,
    split_name,
)
from messengers.models import Address
from privacy.vault import KeyDestroyed, shred_all
from tests.messengers.house import make_channel

PHONE = "+4917604069001"


def test_the_same_identifier_gives_the_same_address(db: None) -> None:
    channel = make_channel()

    first = get_or_create_address(channel, PHONE, name="Ada Lovelace")
    second = get_or_create_address(channel, PHONE, name="Somebody Else")

    assert first == second
    assert reveal(second) == PHONE
    assert profile_of(second) == Profile("Ada", "Lovelace")
    assert Address.objects.count() == 1


def test_two_channels_do_not_share_addresses(db: None) -> None:
    one, other = make_channel(), make_channel()

    address = get_or_create_address(one, PHONE)

    assert find_address(one, PHONE) == address
    assert find_address(other, PHONE) is None


def test_a_second_identifier_finds_the_same_address(db: None) -> None:
    channel = make_channel()
    address = get_or_create_address(channel, PHONE)
    assert find_address(channel, "BSUID-1") is None

    add_identifier(address, "BSUID-1")

    assert find_address(channel, "BSUID-1") == address


def test_the_database_holds_no_clear_identifier(db: None) -> None:
    address = get_or_create_address(make_channel(), PHONE, name="Ada Lovelace")

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT row_to_json(a)::text || row_to_json(i)::text FROM messengers_address a"
            " JOIN messengers_addressindex i ON i.address_id = a.id WHERE a.id = %s",
            [address.id],
        )
        stored = cursor.fetchone()[0]

    assert str(address.id) in stored  # we look at the right row
    for clear in (PHONE, PHONE.encode().hex(), "Lovelace", b"Lovelace".hex()):
        assert clear not in stored


def test_without_its_key_an_address_says_nothing(db: None) -> None:
    address = get_or_create_address(make_channel(), PHONE)
    assert reveal(address) == PHONE

    shred_all(address.subject)

    with pytest.raises(KeyDestroyed):
        reveal(address)


def test_names_can_be_put_right_and_taken_away(db: None) -> None:
    address = get_or_create_address(make_channel(), PHONE, name="Ada")

    set_profile(address, Profile("Augusta Ada", "King"))
    assert profile_of(Address.objects.get(pk=address.pk)) == Profile("Augusta Ada", "King")

    set_profile(address, Profile())
    assert Address.objects.get(pk=address.pk).profile_sealed is None


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("", Profile()),
        ("Ada", Profile("Ada")),
        ("  Ada   King  Lovelace ", Profile("Ada", "King Lovelace")),
        ("A" * 500, Profile("A" * 200)),
    ],
)
def test_a_shown_name_is_split(name: str, profile: Profile) -> None:
    assert split_name(name) == profile


def test_two_at_once_get_one_address(transactional_db: None) -> None:
    channel = make_channel()

    def come(_: int) -> Address:
        try:
            return get_or_create_address(channel, PHONE)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(come, range(12)))

    assert len({address.id for address in found}) == 1
    assert Address.objects.count() == 1
