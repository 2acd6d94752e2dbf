"""What brokers are told; and one round with a real Redis that is wiped and killed."""

import time
from pathlib import Path
from queue import Empty

import pytest
from kombu.exceptions import OperationalError

from config import settings
from config.brokers import LONGEST_WAIT, QUEUES, PatientConnection, queues, transport_options
from tests.standins.brokers import Redis, missing

REDIS, RABBIT = "redis://broker.example.org/0", "amqp://broker.example.org//"
HERE = Path("/nowhere")


def test_a_task_is_not_given_out_twice_while_it_runs() -> None:
    seconds = transport_options(REDIS, HERE)["visibility_timeout"]

    assert seconds > 2 * settings.CELERY_TASK_TIME_LIMIT


@pytest.mark.parametrize("url", [REDIS, "rediss://broker.example.org/0", "sentinel://a:1;b:2"])
def test_nobody_waits_long_for_redis(url: str) -> None:
    options = transport_options(url, HERE)

    assert options["socket_timeout"] <= 5
    assert options["socket_connect_timeout"] <= 5
    assert options["max_retries"] <= 1


def test_rabbitmq_confirms_and_outlives_a_node() -> None:
    assert transport_options(RABBIT, HERE)["confirm_publish"]
    for queue in queues(RABBIT):
        assert queue.queue_arguments["x-queue-type"] == "quorum"
        assert queue.queue_arguments["x-delivery-limit"] > 0
    assert [queue.name for queue in queues(REDIS)] == list(QUEUES)


def test_a_lost_broker_kills_nobody_who_sends() -> None:
    assert settings.CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS is False
    assert settings.CELERY_BROKER_CONNECTION_MAX_RETRIES is None
    assert settings.CELERY_ACCEPT_CONTENT == ["json"]


def test_listeners_come_back_soon_however_long_it_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def ensure(self: object, *_args: object, interval_max: float = 30, **_more: object) -> None:
        asked.append(interval_max)

    monkeypatch.setattr("kombu.connection.Connection._ensure_connection", ensure)
    PatientConnection(REDIS).ensure_connection(None, None)

    assert asked == [LONGEST_WAIT]


@pytest.mark.skipif(bool(missing("redis")), reason=missing("redis") or "it is here")
def test_redis_is_wiped_and_killed_and_rings_again(tmp_path: Path) -> None:
    with Redis() as broker:
        assert heard(broker, tmp_path, put=1) == 1
        heard(broker, tmp_path, put=2, take=False)
        broker.wipe()
        with pytest.raises(Empty):
            heard(broker, tmp_path)

        broker.stop(kill=True)
        began = time.monotonic()
        with pytest.raises(OperationalError):
            heard(broker, tmp_path, put=3)
        assert time.monotonic() - began < 10

        broker.start()
        assert heard(broker, tmp_path, put=4) == 4


def heard(broker: Redis, folder: Path, *, put: int = 0, take: bool = True) -> int:
    """Ring with a number, and listen for one."""
    options = transport_options(broker.url, folder)
    with (
        PatientConnection(broker.url, transport_options=options) as connection,
        connection.SimpleQueue("send") as bell,
    ):
        if put:
            bell.put(put)
        if not take:
            return 0
        message = bell.get(timeout=5 if put else 0.1)
        message.ack()
        return int(message.payload)
