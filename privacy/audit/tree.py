"""The Merkle tree of RFC 6962 (and 9162): roots, proofs and their checks. Pure; no database.

A tree is told by its complete subtrees: `Subtree(level, pos)` gives the hash over the leaves
`pos * 2**level` up to `(pos + 1) * 2**level`, level 0 being the leaf hashes themselves. All sizes
and indexes count leaves from 0; all hashes are 32 bytes.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

LEAF_PREFIX = b"\x00"  # RFC 6962, 2.1: a leaf can never be taken for an inner node
NODE_PREFIX = b"\x01"
EMPTY_ROOT = sha256(b"").digest()
Subtree = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    return sha256(LEAF_PREFIX + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(NODE_PREFIX + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    return root_at(len(leaves), subtrees_of(leaves))


def subtrees_of(leaves: Sequence[bytes]) -> Subtree:
    """The complete subtrees over leaf hashes that are all in memory, each level hashed once."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        levels.append(next_level(levels[-1]))
    return lambda level, pos: levels[level][pos]


def next_level(hashes: Sequence[bytes]) -> list[bytes]:
    """The level above: one hash for each complete pair, a lonely last one is left out."""
    pairs = iter(hashes)
    return [sha256(NODE_PREFIX + left + right).digest() for left, right in zip(pairs, pairs)]  # noqa: B905


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash over neighbours that make one complete subtree: 1, 2, 4, 8 … of them."""
    if not hashes or len(hashes) & (len(hashes) - 1):
        raise ValueError("only a power of two makes a complete subtree.")
    while len(hashes) > 1:
        hashes = next_level(hashes)
    return hashes[0]


def root_at(size: int, subtree: Subtree) -> bytes:
    """The root over the first `size` leaves."""
    return range_hash(0, size, subtree) if size else EMPTY_ROOT


def range_hash(start: int, end: int, subtree: Subtree) -> bytes:
    """MTH(D[start:end]) for a range that stands in the tree, so that `start` is aligned."""
    parts = peaks(start, end)
    total = subtree(*parts[-1])
    for level, pos in reversed(parts[:-1]):
        total = node_hash(subtree(level, pos), total)
    return total


def peaks(start: int, end: int) -> list[tuple[int, int]]:
    """The complete subtrees that make up such a range, from left to right, as (level, pos)."""
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def inclusion_path(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962, 2.1.1: from the leaf's neighbour up to below the root."""
    if not 0 <= index < size:
        raise ValueError("the index lies outside of the tree.")
    path, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_hash(middle, end, subtree))
            end = middle
        else:
            path.append(range_hash(start, middle, subtree))
            start = middle
    return path[::-1]


def consistency_path(old_size: int, size: int, subtree: Subtree) -> list[bytes]:
    """PROOF(old_size, D[size]) of RFC 6962, 2.1.2; empty when either tree is empty or both same."""
    if not 0 <= old_size <= size:
        raise ValueError("the old tree is not a beginning of the new one.")
    if old_size in (0, size):
        return []
    path, start, end = [], 0, size
    while end != old_size:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(range_hash(middle, end, subtree))
            end = middle
        else:
            path.append(range_hash(start, middle, subtree))
            start = middle
    if start:  # otherwise it is the old root itself, which the reader has
        path.append(range_hash(start, end, subtree))
    return path[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf hash stands at `index` of the tree (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, reached = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            reached = node_hash(step, reached)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            reached = node_hash(reached, step)
        position, last = position >> 1, last >> 1
    return last == 0 and reached == root


def check_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether the old tree is the beginning of the new one (RFC 9162, 2.1.4.2)."""
    if old_size == 0:
        return not path and old_root == EMPTY_ROOT and (size > 0 or root == EMPTY_ROOT)
    if old_size == size:
        return not path and old_root == root
    if not 0 < old_size < size or not path:
        return False
    position, last = old_size - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    steps = list(path) if position else [old_root, *path]
    reached_old = reached = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            reached_old, reached = node_hash(step, reached_old), node_hash(step, reached)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            reached = node_hash(reached, step)
        position, last = position >> 1, last >> 1
    return last == 0 and reached_old == old_root and reached == root


class Frontier:
    """A tree that only grows, kept as the hashes of its complete subtrees from left to right.

    Enough for the root and for appending; never more than one hash for each bit of the size.
    """

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)
        if len(self.hashes) != size.bit_count():
            raise ValueError("a tree of this size has another number of complete subtrees.")

    def append(self, leaf: bytes) -> None:
        size, grown = self.size, leaf
        while size & 1:
            grown = node_hash(self.hashes.pop(), grown)
            size >>= 1
        self.hashes.append(grown)
        self.size += 1

    def append_subtree(self, level: int, whole: bytes) -> None:
        """Append 2**level leaves at once by their hash, where the size is aligned to that."""
        if self.size & ((1 << level) - 1):
            raise ValueError("the tree ends within such a subtree.")
        size, grown = self.size >> level, whole
        while size & 1:
            grown = node_hash(self.hashes.pop(), grown)
            size >>= 1
        self.hashes.append(grown)
        self.size += 1 << level

    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY_ROOT
        total = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            total = node_hash(left, total)
        return total


def _split(count: int) -> int:
    """The largest power of two below `count`, where RFC 6962 cuts a tree in two."""
    return 1 << (count - 1).bit_length() - 1
