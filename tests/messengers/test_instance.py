"""messengers/instance.py: an old copy of either database is known for one, and sends nothing."""

import threading

import pytest
from django.db import connections

from messengers import instance
from messengers.errors import NotTheSameInstance
from messengers.models import Instance
from privacy.vault import generation, raise_generation
from privacy.vault.models import Generation
from tests.messengers.house import SYSTEM

FACTS = ("epoch", "cluster", "generation", "activated_at")


@pytest.fixture
def house(db: None) -> Instance:
    """An installation that has counted three times."""
    instance.current()
    for _ in range(3):
        instance.advance_now()
    return Instance.objects.get()


def put_back(row: Instance) -> None:
    Instance.objects.update(**{name: getattr(row, name) for name in FACTS})


def test_data_keystore_and_host_count_together(house: Instance) -> None:
    assert house.generation == generation() == 3
    assert instance._path().read_text() == f"{house.epoch} 3\n"
    assert house.cluster.count("/") == 2
    assert instance.current() == house.epoch


def test_an_older_copy_of_the_data_in_the_same_cluster_is_known(house: Instance) -> None:
    """The same epoch, cluster and file: only the keystore has come further."""
    instance.advance_now()
    instance.advance_now()
    put_back(house)
    instance._path().write_text(f"{house.epoch}\n")  # a host that has seen nothing yet

    with pytest.raises(NotTheSameInstance, match="the keystore has come further"):
        instance.current()
    instance.advance_now()
    assert Instance.objects.get().generation == house.generation  # a copy never counts on

    epoch = instance.activate(SYSTEM)
    assert instance.current() == epoch
    instance.advance_now()
    assert Instance.objects.get().generation == generation() == 6


def test_an_older_keystore_beside_newer_data_sends_nothing(house: Instance) -> None:
    Generation.objects.update(value=1)
    with pytest.raises(NotTheSameInstance, match="keystore is an older copy"):
        instance.current()

    Generation.objects.all().delete()  # a keystore made anew
    with pytest.raises(NotTheSameInstance, match="keystore is an older copy"):
        instance.current()


def test_both_from_the_same_old_day_are_known_by_the_host(house: Instance) -> None:
    instance.advance_now()
    put_back(house)
    Generation.objects.update(value=house.generation)

    with pytest.raises(NotTheSameInstance, match="this host has seen"):
        instance.current()


@pytest.mark.parametrize(
    "change",
    [
        lambda cluster: "1" + cluster,  # another cluster
        lambda cluster: cluster.replace("/1/", "/2/"),  # recovered to a point in time, promoted
        lambda cluster: cluster + "1",  # made anew and filled from a copy
    ],
)
def test_another_cluster_timeline_or_database_is_noticed(house: Instance, change) -> None:
    there = change(house.cluster)
    assert there != house.cluster
    Instance.objects.update(cluster=there)

    with pytest.raises(NotTheSameInstance, match="another PostgreSQL cluster, timeline or place"):
        instance.current()

    instance.activate(SYSTEM)
    assert Instance.objects.get().cluster == house.cluster
    instance.current()


def test_an_installation_from_before_takes_the_cluster_where_it_is(house: Instance) -> None:
    Instance.objects.update(cluster="", generation=0)
    Generation.objects.all().delete()
    instance._path().write_text(f"{house.epoch}\n")

    assert instance.current() == house.epoch
    assert Instance.objects.get().cluster == house.cluster


def test_a_crash_between_the_two_databases_is_no_alarm(house: Instance) -> None:
    raise_generation(house.generation + 1)

    assert instance.current() == house.epoch
    instance.advance_now()
    assert Instance.objects.get().generation == generation() == house.generation + 1


def test_after_a_restore_nobody_sends_until_activation(house: Instance) -> None:
    instance.silence(SYSTEM)
    for _ in range(2):
        with pytest.raises(NotTheSameInstance, match="do not belong together"):
            instance.current()
        instance.advance_now()

    assert instance.activate(SYSTEM) == instance.current()


@pytest.mark.django_db(transaction=True)
def test_many_that_count_at_once_never_raise_an_alarm() -> None:
    epoch, alarms = instance.current(), []

    def work() -> None:
        try:
            for _ in range(25):
                instance.advance_now()
                assert instance.current() == epoch
        except Exception as error:
            alarms.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert alarms == []
    assert Instance.objects.get().generation == generation() >= 25
