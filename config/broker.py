"""Celery's broker for one machine: kombu's filesystem transport with its gaps mended.

kombu writes messages and bindings in place, so that readers see halves of them, and takes messages
out through the common temporary folder. Here everything is written under another name and renamed,
and stays in one folder that is ours alone. A message is a doorbell: losing one costs time only.
"""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from time import monotonic_ns
from typing import Any

import structlog
from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

log = structlog.get_logger(__name__)
UNFINISHED = ".part"


class Channel(filesystem.Channel):
    """Folders below the transport option `folder`: queue/, taken/ and control/."""

    @property
    def root(self) -> Path:
        return Path(self.transport_options["folder"])

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    @property
    def control_folder(self) -> Path:
        return self._folder("control")

    @property
    def data_folder_in(self) -> Path:
        return self._folder("queue")

    @property
    def data_folder_out(self) -> Path:
        return self._folder("queue")

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        name = f"{monotonic_ns():020d}_{uuid.uuid4()}.{queue}.msg"
        write_whole(self.data_folder_out / name, dumps(payload))

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        """The oldest message; a rename decides which of several workers has it."""
        taken = self._folder("taken")
        for name in sorted(os.listdir(self.data_folder_in)):
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            try:
                os.rename(self.data_folder_in / name, taken / name)
            except FileNotFoundError:
                continue
            text = (taken / name).read_text(encoding="utf-8")
            (taken / name).unlink()
            try:
                return loads(text)
            except ValueError:
                log.warning("Broker message is unreadable and was dropped")
        raise Empty

    def _queue_bind(
        self, exchange: str, routing_key: str | None, pattern: str | None, queue: str
    ) -> None:
        binding = [routing_key or "", pattern or "", queue or ""]
        with self._bindings(exchange) as bindings:
            if binding not in bindings:
                bindings.insert(0, binding)

    def _delete(
        self, queue: str, exchange: str, routing_key: str, pattern: str, *args: Any, **kwargs: Any
    ) -> None:
        self._purge(queue)
        binding = [routing_key or "", pattern or "", queue or ""]
        with self._bindings(exchange) as bindings:
            if binding in bindings:
                bindings.remove(binding)

    @contextmanager
    def _bindings(self, exchange: str) -> Iterator[list[list[str]]]:
        """The table of one exchange, changed by one process at a time, never seen half-written."""
        file: Path = self._exchange_file(exchange)  # type: ignore[attr-defined]  # newer than its stubs
        with file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = [list(binding) for binding in self.get_table(exchange)]
            after = [list(binding) for binding in before]
            yield after
            if after != before:
                write_whole(file, dumps(after))


class Transport(filesystem.Transport):
    Channel = Channel
    driver_type = "jawort-files"
    driver_name = "jawort-files"
    polling_interval = 0.1


def write_whole(file: Path, text: str) -> None:
    """Write under a name that no reader looks for, then rename: a file is there whole or not."""
    unfinished = file.with_name(f"{uuid.uuid4()}{UNFINISHED}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
    os.replace(unfinished, file)
