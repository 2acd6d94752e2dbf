"""`verify.py` against published vectors, and against other ways to compute the same."""

import base64
import json
import struct
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.audit import canonical as canonical_of_the_house
from subscriptions.proof import verify
from tests.subscriptions import plain_verifier
from tests.subscriptions.proof_world import PlainPackage, plain_root

# The test of the Go module golang.org/x/mod/sumdb/note.
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)
# The tree that the tests of RFC 6962's own implementation use: eight entries and their roots.
ENTRIES = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]  # fmt: skip
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
PATH_OF_0_IN_8 = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]


def test_the_published_note_is_signed_and_a_changed_one_is_not():
    key = verify.Key.read(VKEY)

    assert [one.fits for one in verify.signatures(NOTE, [key])] == [True]
    assert [one.fits for one in verify.signatures(NOTE.replace("y", "i", 1), [key])] == [False]
    assert plain_verifier.signed_note(NOTE, VKEY)[1] == 0
    with pytest.raises(AssertionError, match="signature"):
        plain_verifier.signed_note(NOTE.replace("y", "i", 1), VKEY)
    with pytest.raises(verify.Wrong, match="No valid key"):
        verify.Key.read(VKEY.replace("c74f20a3", "c74f20a4"))


def test_the_published_tree_leads_to_its_root():
    leaves = [sha256(b"\0" + bytes.fromhex(entry)).digest() for entry in ENTRIES]
    path = [bytes.fromhex(step) for step in PATH_OF_0_IN_8]

    assert plain_root(leaves[:1]).hex() == ROOTS[1]
    assert plain_root(leaves).hex() == ROOTS[8]
    assert verify.root_by_path(leaves[0], 0, 8, path).hex() == ROOTS[8]
    assert plain_verifier.root_from(leaves[0], 0, 8, path).hex() == ROOTS[8]


def path_of(leaves, index):
    """PATH of RFC 6962, 2.1.1, as it stands there."""
    if len(leaves) == 1:
        return []
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if index < half:
        return [*path_of(leaves[:half], index), plain_root(leaves[half:])]
    return [*path_of(leaves[half:], index - half), plain_root(leaves[:half])]


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_any_leaf_of_any_tree_leads_to_the_root_and_nothing_else_does(data):
    size = data.draw(st.integers(1, 40))
    index = data.draw(st.integers(0, size - 1))
    leaves = [sha256(bytes((n,))).digest() for n in range(size)]
    path, root = path_of(leaves, index), plain_root(leaves)

    assert verify.root_by_path(leaves[index], index, size, path) == root
    assert plain_verifier.root_from(leaves[index], index, size, path) == root
    other = data.draw(st.integers(0, size + 3).filter(lambda n: n != index))
    assert verify.root_by_path(leaves[index], other, size, path) != root
    assert verify.root_by_path(leaves[index], index, size, [*path, root]) != root
    if path:
        assert verify.root_by_path(leaves[index], index, size, path[:-1]) != root


VALUES = st.recursive(
    st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES, max_size=5))
@settings(max_examples=25, deadline=None)
def test_house_and_verifier_spell_every_entry_alike_and_reading_changes_nothing(entry):
    try:
        spelled = canonical_of_the_house(entry)
    except (TypeError, UnicodeEncodeError):
        return  # two keys of one canonical form, or half a character: refused, never spelled

    assert verify.canonical(json.loads(spelled)) == spelled
    assert canonical_of_the_house(json.loads(spelled)) == spelled


def test_a_signature_safe_against_quantum_computers_is_read():
    key = MLDSA44PrivateKey.generate()
    name, raw = "w2.example", b"\x06" + key.public_key().public_bytes_raw()
    root = sha256(b"").digest()
    text = f"log.example/consent\n7\n{base64.b64encode(root).decode()}\n"
    message = b"subtree/v1\n\0" + bytes((len(name),)) + name.encode() + struct.pack(">Q", 5)
    message += bytes((19,)) + b"log.example/consent" + struct.pack(">QQ", 0, 7) + root
    ident = plain_verifier.key_id(name, raw)
    blob = base64.b64encode(ident + struct.pack(">Q", 5) + key.sign(message)).decode()
    vkey = verify.Key.read(f"{name}+{ident.hex()}+{base64.b64encode(raw).decode()}")

    (found,) = verify.signatures(f"{text}\n— {name} {blob}\n", [vkey])
    (forged,) = verify.signatures(f"{text.replace('7', '8')}\n— {name} {blob}\n", [vkey])

    assert (found.fits, found.at, forged.fits) == (True, 5, False)


@given(st.dictionaries(st.sampled_from(sorted(verify.READS)), st.binary(max_size=40)))
@settings(max_examples=20, deadline=None)
def test_nonsense_is_refused_and_never_crashes(rest):
    names = ["entry.json", "openings.json", "manifest.jws", "wording.json", verify.PROOF]
    files = dict(zip(names, rest.values(), strict=False))

    assert verify.verdict(verify.verify(files)) == 1


def wrong(package, **given):
    """The checks that fail on a package whose list of files the house has signed."""
    found = verify.verify(package.sign(), **given)
    return {one.check for one in found if one.state == verify.FAILS}


def swap_text(package):
    """Other words in both files that hold them; the record names the old hash."""
    package.replace("wording.json", "Sagen Sie JA.", "Sagen Sie nie NEIN.")
    package.files["wording.txt"] = b"Sagen Sie nie NEIN."


def swap_declaration(package):
    package.replace("openings.json", "JA", "NA")
    package.replace("declaration.json", "JA", "NA")


def spell_otherwise(package):
    package.files["entry.json"] = json.dumps(package.entry).encode()
    package.into_log()


def another_leaf(package):
    package.told["leaf"] = "00" * 32


def another_notice(package):
    """The wording that the record names belongs to another notice than the record says."""
    package.files["notice.json"], package.files["notice.txt"] = b'{"text":"Neu"}', b"Neu"
    package.entry["notice_id"] = sha256(package.files["notice.json"]).hexdigest()
    package.files["entry.json"] = verify.canonical(package.entry)
    package.into_log()


def text_where_none_was_shown(package):
    package.entry["wording_id"] = ""
    package.files["entry.json"] = verify.canonical(package.entry)
    package.into_log()


def without_the_proof(package):
    del package.files["proof.tlog-proof"], package.files["checkpoint.txt"]


def without_the_logs_key(package):
    package.replace("policy.txt", f"log {package.log.vkey}\n", "")


def bend_signature(number):
    """Another character in the middle of the checkpoint's n-th signature, in both files."""

    def bend(package):
        lines = package.files["checkpoint.txt"].decode().split("\n")
        line = lines[4 + number]
        middle = len(line) - 20
        lines[4 + number] = (
            line[:middle] + ("A" if line[middle] != "A" else "B") + line[middle + 1 :]
        )
        package.note("\n".join(lines))

    return bend


def another_kind(package):
    package.header["typ"] = "consent-receipt+jws"


def unsigned(package):
    package.header["alg"] = "none"


FORGERIES = [
    (swap_text, {"wording"}), (swap_declaration, {"evidence"}), (spell_otherwise, {"entry"}),
    (another_leaf, {"entry"}), (another_notice, {"wording"}),
    (text_where_none_was_shown, {"wording"}), (without_the_proof, {"inclusion"}),
    (without_the_logs_key, {"checkpoint"}), (bend_signature(0), {"checkpoint"}),
    (bend_signature(1), {"witnesses"}), (another_kind, {"files"}), (unsigned, {"files"}),
    (lambda one: one.replace("openings.json", "7dfa", "7dfb"), {"person"}),
    (lambda one: one.replace("declaration.json", "JA", "NA"), {"evidence"}),
    (lambda one: one.replace("wording.txt", "JA", "NA"), {"wording"}),
    (lambda one: one.replace("person.json", "9001", "9002"), {"address"}),
    (lambda one: one.replace("proof.tlog-proof", "index 2", "index 3"), {"inclusion"}),
    (lambda one: one.replace("proof.tlog-proof", "index 2", "index 02"), {"inclusion"}),
    (lambda one: one.replace("proof.tlog-proof", "@v1", "@v2"), {"inclusion"}),
    (lambda one: one.replace("checkpoint.txt", "\n— w", "\n— v"), {"inclusion"}),
]  # fmt: skip


def test_a_house_that_signs_its_forgeries_is_found_out_by_the_very_check():
    assert wrong(PlainPackage()) == set()
    assert verify.verdict(verify.verify(PlainPackage().sign())) == 0

    for forge, checks in FORGERIES:
        package = PlainPackage()
        forge(package)
        assert wrong(package) == checks, forge


def test_the_houses_signature_is_that_of_the_house():
    files = PlainPackage().sign()
    head, body, _own = files["manifest.jws"].split(b".")
    other = PlainPackage().sign()["manifest.jws"].split(b".")[2]

    (found,) = [
        one for one in verify.verify({**files, "manifest.jws": b".".join((head, body, other))})
        if one.state == verify.FAILS
    ]  # fmt: skip

    assert found.check == "files"
    assert "signature of the house" in found.english


def test_what_cannot_be_shown_makes_the_verdict_three():
    waiting = PlainPackage()
    without_the_proof(waiting)
    waiting.told["status"] = "waiting"
    nobody = PlainPackage()
    del nobody.files["person.json"]

    assert verify.verdict(verify.verify(waiting.sign())) == 3
    assert verify.verdict(verify.verify(nobody.sign())) == 3
    assert verify.verdict(verify.verify(nobody.sign(), address="+49 176 04069001")) == 0
    assert verify.verdict(verify.verify(nobody.sign(), address="0049 176 04069001")) == 0
    assert wrong(nobody, address="+49 176 04069002") == {"address"}


def test_only_one_spelling_of_numbers_and_hashes_is_read():
    for text in ("02", "+2", "2 ", "²", "", "-1"):
        with pytest.raises(ValueError, match="no number"):
            verify.number(text)
    with pytest.raises(ValueError, match="no hash"):
        verify.hash_of(base64.b64encode(bytes(31)).decode())
    with pytest.raises(ValueError, match="no signature line"):
        verify.signatures(NOTE.replace("—", "-"), [])
