"""What Redis and RabbitMQ are told, so that losing them costs seconds and nothing else.

The broker is a doorbell. Whoever rings must not hang on it (a hook answers its provider within
seconds, whatever the broker does), and whoever listens comes back soon after it does.
"""

from pathlib import Path
from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection, Queue

QUEUES = ("celery", "send")
REDIS_SCHEMES = ("redis:", "rediss:", "sentinel:", "unix:", "redis+socket:")
RABBIT_SCHEMES = ("amqp:", "amqps:", "pyamqp:")
# A task that has not ended by then is given to somebody else, too. Twice a task's time limit, or
# a task that still runs would be delivered again and again.
VISIBILITY_SECONDS = 300
CONNECT_SECONDS = 2.0  # the broker stands near; a ring may be lost
ANSWER_SECONDS = 3.0
CHECK_SECONDS = 5  # a listener on a dead line notices after twice as many
HEARTBEAT_SECONDS = 20
# How often a message may kill its consumer before it is thrown away: the sweeper rings anew.
DELIVERY_LIMIT = 20
# Whoever rings tries once more at once, and then lets it be.
RINGING = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
# Between two attempts to reach a broker that was lost; the libraries would sleep up to 30 s.
LONGEST_WAIT = 4.0


def transport_options(url: str, var: Path) -> dict[str, Any]:
    """What the transport for this address is told."""
    if url.startswith("jawort-files:"):
        return {"folder": str(var / "broker"), "polling_interval": 0.1}
    if url.startswith(REDIS_SCHEMES):
        return RINGING | {
            "visibility_timeout": VISIBILITY_SECONDS,
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": ANSWER_SECONDS,
            "socket_keepalive": True,
            "health_check_interval": CHECK_SECONDS,
        }
    if url.startswith(RABBIT_SCHEMES):
        return RINGING | {"confirm_publish": True, "write_timeout": ANSWER_SECONDS}
    return {}


def queues(url: str) -> list[Queue]:
    """The queues; on RabbitMQ those that survive the loss of one node of several."""
    arguments: dict[str, Any] = {}
    if url.startswith(RABBIT_SCHEMES):
        arguments = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT}
    return [Queue(name, queue_arguments=arguments) for name in QUEUES]


class PatientConnection(Connection):
    """Comes back within seconds, however long the broker was away."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("interval_max", LONGEST_WAIT)
        return super().ensure_connection(*args, **kwargs)


class PatientAMQP(AMQP):
    """Celery's part that makes connections, with ours."""

    Connection = PatientConnection
