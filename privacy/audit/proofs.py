"""Proving to somebody else that an entry stands in its log."""

import base64
from dataclasses import dataclass
from uuid import UUID

from privacy.audit import tree
from privacy.audit.nodes import StoredTree, place_of
from privacy.audit.note import with_lines
from privacy.models import Anchor, Checkpoint, Log

FIRST_LINE = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class InclusionProof:
    """That the leaf at `index` stands in the tree of `size` entries with `root`, as signed."""

    index: int
    size: int
    path: list[bytes]
    root: bytes
    checkpoint: str  # C2SP signed note, with the cosignatures of witnesses
    stamp: bytes = b""  # an authority's answer for it (RFC 3161, DER), where there is one


def proof_of(log: Log, entry_id: UUID) -> InclusionProof | None:
    """None while the entry waits for its place, or for a checkpoint that covers it."""
    place = place_of(log, entry_id)
    if place is None:
        return None
    index, _ = place
    checkpoint = covering(log, index)
    if checkpoint is None:
        return None
    size = checkpoint.size
    path = tree.inclusion_path(index, size, StoredTree(log))
    note, stamp = cosigned(checkpoint), stamp_of(checkpoint)
    return InclusionProof(index, size, path, bytes(checkpoint.root), note, stamp)


def covering(log: Log, index: int) -> Checkpoint | None:
    """The first checkpoint behind the entry with both witness and time-stamp; or one; or at all."""
    after = Checkpoint.objects.filter(log=log, size__gt=index).order_by("size", "id")
    seen = after.filter(anchors__kind=Anchor.Kind.WITNESS)
    stamped = after.filter(anchors__kind=Anchor.Kind.TIMESTAMP)
    both = seen.filter(pk__in=stamped.values("pk"))
    return both.first() or seen.first() or stamped.first() or after.first()


def stamp_of(checkpoint: Checkpoint) -> bytes:
    """The authority's answer for this checkpoint; empty without one."""
    found = checkpoint.anchors.filter(kind=Anchor.Kind.TIMESTAMP).order_by("id").first()
    return bytes(found.proof) if found else b""


def cosigned(checkpoint: Checkpoint) -> str:
    """The note with the lines of all its witnesses."""
    lines = checkpoint.anchors.filter(kind=Anchor.Kind.WITNESS).order_by("id")
    return with_lines(checkpoint.note, [bytes(anchor.proof).decode() for anchor in lines])


def tlog_proof(proof: InclusionProof) -> str:
    """The proof as text, in the format of c2sp.org/tlog-proof."""
    steps = [base64.b64encode(step).decode() for step in proof.path]
    return "\n".join([FIRST_LINE, f"index {proof.index}", *steps, "", proof.checkpoint])
