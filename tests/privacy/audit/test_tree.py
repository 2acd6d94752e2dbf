"""The tree against the RFC's own words (`plain_tree`), its published vectors, and every change."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.audit import tree
from tests.privacy.audit import plain_tree

# The inputs and roots that the Certificate Transparency project publishes for RFC 6962.
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATH_OF_5_IN_8 = [
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]
FROM_6_TO_8 = [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]
entries = st.lists(st.binary(max_size=4), min_size=1, max_size=40)
few = settings(max_examples=40, deadline=None)


def leaves_of(given_entries: list[bytes]) -> list[bytes]:
    return [tree.leaf_hash(entry) for entry in given_entries]


def test_the_published_vectors_of_rfc_6962():
    leaves = leaves_of(INPUTS)
    whole = tree.subtrees_of(leaves)

    assert [tree.root_of(leaves[:size]).hex() for size in range(1, 9)] == ROOTS
    assert tree.root_of([]).hex() == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    assert [step.hex() for step in tree.inclusion_path(5, 8, whole)] == PATH_OF_5_IN_8
    assert [step.hex() for step in tree.consistency_path(6, 8, whole)] == FROM_6_TO_8


@few
@given(entries, st.data())
def test_proofs_are_those_of_the_rfc_and_hold(written, data):
    leaves = leaves_of(written)
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    whole, root = tree.subtrees_of(leaves), tree.root_of(leaves)

    path = tree.inclusion_path(index, size, whole)
    proof = tree.consistency_path(old, size, whole)

    assert root == plain_tree.mth(written)
    assert path == plain_tree.path(index, written)
    assert proof == plain_tree.proof(old, written)
    assert tree.check_inclusion(leaves[index], index, size, path, root)
    assert tree.check_consistency(old, tree.root_of(leaves[:old]), size, root, proof)


@few
@given(entries, st.data())
def test_whatever_is_changed_in_a_proof_it_no_longer_holds(written, data):
    leaves = leaves_of(written)
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    whole, root, old_root = (
        tree.subtrees_of(leaves),
        tree.root_of(leaves),
        tree.root_of(leaves[:old]),
    )
    path = tree.inclusion_path(index, size, whole)
    proof = tree.consistency_path(old, size, whole)
    other = tree.leaf_hash(b"something else entirely")

    assert not tree.check_inclusion(other, index, size, path, root)
    assert not tree.check_inclusion(leaves[index], index, size, path, other)
    assert not tree.check_inclusion(leaves[index], index, size, [*path, other], root)
    assert not tree.check_inclusion(leaves[index], size, size, path, root)
    # Another size has other paths, even where the same hashes would lead to the same root.
    assert not tree.check_inclusion(leaves[index], index, 4 * size, path, root)
    assert not tree.check_consistency(old, old_root, 4 * size, root, proof)
    assert not tree.check_consistency(old, other, size, root, proof)
    assert not tree.check_consistency(old, old_root, size, other, proof)
    assert not tree.check_consistency(old, old_root, size, root, [*proof, other])
    for changed in range(len(path)):
        broken = [*path[:changed], other, *path[changed + 1 :]]
        assert not tree.check_inclusion(leaves[index], index, size, broken, root)
        assert not tree.check_inclusion(leaves[index], index, size, path[:changed], root)
    for changed in range(len(proof)):
        broken = [*proof[:changed], other, *proof[changed + 1 :]]
        assert not tree.check_consistency(old, old_root, size, root, broken)
        assert not tree.check_consistency(old, old_root, size, root, proof[:changed])


def test_a_leaf_proves_nothing_at_another_place():
    leaves = leaves_of([bytes([number]) for number in range(20)])
    whole, root = tree.subtrees_of(leaves), tree.root_of(leaves)

    for index, elsewhere in pairwise(range(20)):
        path = tree.inclusion_path(index, 20, whole)
        assert not tree.check_inclusion(leaves[index], elsewhere, 20, path, root)
        # One size less or more may share the path's shape, but not the root.
        assert not tree.check_inclusion(leaves[index], index, 20, path, tree.root_of(leaves[:19]))


def test_a_smaller_or_forked_tree_is_no_continuation():
    leaves = leaves_of([bytes([number]) for number in range(12)])
    forked = [*leaves[:4], tree.leaf_hash(b"forked"), *leaves[5:]]
    root, fork_root = tree.root_of(leaves), tree.root_of(forked)

    for old in range(5, 12):
        proof = tree.consistency_path(old, 12, tree.subtrees_of(forked))
        assert not tree.check_consistency(old, tree.root_of(leaves[:old]), 12, fork_root, proof)
    assert not tree.check_consistency(12, root, 11, tree.root_of(leaves[:11]), [])
    assert not tree.check_consistency(12, root, 12, fork_root, [])
    assert tree.check_consistency(0, tree.EMPTY_ROOT, 12, root, [])
    assert not tree.check_consistency(0, root, 12, root, [])
    assert not tree.check_consistency(0, tree.EMPTY_ROOT, 12, root, [root])


@few
@given(entries, st.integers(0, 3))
def test_a_frontier_grows_into_the_same_tree(written, level):
    leaves = leaves_of(written)
    one_by_one, by_blocks = tree.Frontier(), tree.Frontier()
    block = 1 << level

    for leaf in leaves:
        one_by_one.append(leaf)
    for start in range(0, len(leaves) - block + 1, block):
        by_blocks.append_subtree(level, tree.fold(leaves[start : start + block]))

    assert one_by_one.root() == tree.root_of(leaves)
    assert by_blocks.root() == tree.root_of(leaves[: by_blocks.size])
    again = tree.Frontier(one_by_one.size, one_by_one.hashes)
    again.append(leaves[0])
    assert again.root() == tree.root_of([*leaves, leaves[0]])


def test_what_is_no_tree_is_refused():
    leaves = leaves_of(INPUTS)
    whole = tree.subtrees_of(leaves)

    with pytest.raises(ValueError, match="outside"):
        tree.inclusion_path(8, 8, whole)
    with pytest.raises(ValueError, match="beginning"):
        tree.consistency_path(9, 8, whole)
    with pytest.raises(ValueError, match="power of two"):
        tree.fold(leaves[:3])
    with pytest.raises(ValueError, match="another number"):
        tree.Frontier(3, leaves[:1])
    with pytest.raises(ValueError, match="within"):
        tree.Frontier(1, leaves[:1]).append_subtree(1, leaves[0])
    assert tree.consistency_path(0, 8, whole) == tree.consistency_path(8, 8, whole) == []


def test_proofs_of_nothing_and_proofs_that_are_too_long_or_too_short():
    leaf, step = tree.leaf_hash(b"a"), tree.leaf_hash(b"b")
    both = tree.node_hash(step, leaf)
    assert not tree.check_inclusion(leaf, 1, 1, [], leaf)
    assert not tree.check_inclusion(leaf, -1, 1, [], leaf)
    assert not tree.check_inclusion(leaf, 0, 1, [step], both)

    empty = tree.EMPTY_ROOT
    assert tree.check_consistency(0, empty, 0, empty, [])
    assert tree.check_consistency(0, empty, 1, leaf, [])
    assert not tree.check_consistency(0, empty, 0, leaf, [])
    for old in (1, 2, 3):
        assert not tree.check_consistency(old, leaf, 4, both, [])
    assert not tree.check_consistency(3, leaf, 2, leaf, [leaf])
    # One step more than such a tree has: the new root would be whatever the step makes of it.
    new = tree.node_hash(leaf, step)
    assert tree.check_consistency(1, leaf, 2, new, [step])
    longer = tree.node_hash(leaf, new)
    assert not tree.check_consistency(1, tree.node_hash(leaf, leaf), 2, longer, [step, leaf])


def test_every_small_tree_continues_every_smaller_one():
    leaves = [tree.leaf_hash(b"%d" % number) for number in range(20)]
    for size in range(1, 21):
        stored, root = tree.subtrees_of(leaves[:size]), tree.root_of(leaves[:size])
        for old in range(size + 1):
            proof = tree.consistency_path(old, size, stored)
            assert tree.check_consistency(old, tree.root_of(leaves[:old]), size, root, proof)
