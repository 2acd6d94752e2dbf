import json
import os
import threading
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection

from config.broker import UNFINISHED, Channel, write_whole
from config.celery import app


@pytest.fixture
def channel(tmp_path):
    options = {"folder": str(tmp_path / "broker"), "polling_interval": 0.01}
    with Connection("jawort-files://localhost", transport_options=options) as connection:
        yield connection.channel()


def test_a_message_comes_out_as_it_went_in(channel):
    channel._put("send", {"id": "7", "word": "Grüße"})

    assert channel._get("send") == {"id": "7", "word": "Grüße"}
    with pytest.raises(Empty):
        channel._get("send")


def test_messages_come_in_order_and_from_their_own_queue_only(channel):
    for number in range(3):
        channel._put("send", {"number": number})
        channel._put("celery", {"number": -1})

    assert [channel._get("send")["number"] for _ in range(3)] == [0, 1, 2]
    assert channel._size("celery") == 3


def test_half_a_message_is_never_seen(channel, monkeypatch):
    """A writer that dies before the rename leaves a file that no reader takes."""
    monkeypatch.setattr(os, "replace", lambda *names: None)
    channel._put("send", {"id": "7"})

    left = list(channel.data_folder_in.iterdir())

    assert [file.suffix for file in left] == [UNFINISHED]
    with pytest.raises(Empty):
        channel._get("send")


def test_an_unreadable_message_is_dropped_and_the_next_one_taken(channel):
    write_whole(channel.data_folder_in / "0_a.send.msg", "{half")
    channel._put("send", {"id": "8"})

    assert channel._get("send") == {"id": "8"}


def test_each_message_goes_to_one_of_many_readers(channel):
    for number in range(200):
        channel._put("send", {"number": number})
    taken: list[int] = []

    def read() -> None:
        try:
            while True:
                taken.append(channel._get("send")["number"])
        except Empty:
            return

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()

    assert sorted(taken) == list(range(200))


def test_bindings_made_at_once_are_all_kept(channel):
    def bind(number: int) -> None:
        channel._queue_bind("exchange", "", "", f"queue{number}")

    binders = [threading.Thread(target=bind, args=[number]) for number in range(20)]
    for binder in binders:
        binder.start()
    for binder in binders:
        binder.join()

    assert len(channel.get_table("exchange")) == 20


def test_nobody_else_can_read_the_folders(channel):
    channel._put("send", {"id": "7"})
    channel._queue_bind("exchange", "", "", "send")

    for folder in (channel.root / "queue", channel.root / "control"):
        assert folder.stat().st_mode & 0o077 == 0


def test_a_task_travels_as_json_and_carries_only_its_arguments(tmp_path):
    options = {"folder": str(tmp_path)}
    with Connection("jawort-files://localhost", transport_options=options) as connection:
        app.send_task("messengers.tasks.work", args=[41], connection=connection)

    [file] = Path(tmp_path, "queue").iterdir()
    message = json.loads(file.read_text())
    assert message["content-type"] == "application/json"
    assert message["properties"]["delivery_info"]["routing_key"] == "send"


def test_the_transport_looks_often():
    assert Channel.supports_fanout is True
    assert app.conf.broker_transport_options["polling_interval"] == 0.1
