"""A second witness: the hash of every committed entry also goes to the log of the process.

Whoever deletes or rewrites an entry in the database would have to find this line too, wherever the
operator sends the logs.
"""

from uuid import UUID

import structlog

log = structlog.get_logger("jawort.audit")


def emit(entry: UUID, leaf: bytes) -> None:
    """One log line with an entry's random id and its hash; nothing else about it."""
    log.info("audit entry", entry=str(entry), leaf=leaf.hex())
