"""A second verifier of proof packages, written from the formats alone: it shares nothing with ours.

Only the standard library, even for Ed25519 (after the reference code of RFC 8032, section 6). It
says yes or raises `AssertionError` with a word; no more is needed of it.
"""

import base64
import hashlib
import hmac
import io
import json
import zipfile

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def _add(a, b):
    m, n = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    t, z = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = n - m, z - t, z + t, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(number, point):
    total = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = _add(total, point)
        point, number = _add(point, point), number >> 1
    return total


def _point(raw):
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert (x * x - square) % P == 0, "no point"
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = _point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519(public, signature, message):
    a, r = _point(public), _point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    assert s < ORDER, "signature out of range"
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    h = int.from_bytes(digest, "little") % ORDER
    left, right = _times(s, BASE), _add(r, _times(h, a))
    assert (left[0] * right[2] - right[0] * left[2]) % P == 0, "signature"
    assert (left[1] * right[2] - right[1] * left[2]) % P == 0, "signature"


def key_id(name, raw):
    return hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]


def signed_note(note, vkey):
    """The note's text, if the key has signed it; (text, time of a cosignature or 0)."""
    name, shown, coded = vkey.split("+", 2)
    raw = base64.b64decode(coded)
    assert key_id(name, raw).hex() == shown, "key id"
    cut = note.rindex("\n\n")
    text, lines = note[: cut + 1], note[cut + 2 :].splitlines()
    for line in lines:
        _, who, signature = line.split(" ")
        blob = base64.b64decode(signature)
        if who == name and blob[:4] == key_id(name, raw):
            if raw[0] == 1:
                ed25519(raw[1:], blob[4:], text.encode())
                return text, 0
            at = int.from_bytes(blob[4:12], "big")
            ed25519(raw[1:], blob[12:], f"cosignature/v1\ntime {at}\n{text}".encode())
            return text, at
    raise AssertionError(f"{name} has not signed")


def root_from(leaf, index, size, path):
    """The recursive definition of RFC 6962, 2.1.1, turned around: no loop over bits as in ours."""
    if size == 1:
        assert not path, "path too long"
        return leaf
    half = 1
    while half * 2 < size:
        half *= 2
    assert path, "path too short"
    if index < half:
        below = root_from(leaf, index, half, path[:-1])
        return hashlib.sha256(b"\x01" + below + path[-1]).digest()
    below = root_from(leaf, index - half, size - half, path[:-1])
    return hashlib.sha256(b"\x01" + path[-1] + below).digest()


def unjws(text, key):
    head, body, signature = text.split(".")
    b64 = [base64.urlsafe_b64decode(part + "==") for part in (head, body, signature, key)]
    assert json.loads(b64[0])["alg"] == "EdDSA", "alg"
    ed25519(b64[3], b64[2], f"{head}.{body}".encode())
    return json.loads(b64[1])


def check(packed, *, log_key, witness_key, house_key, address):
    """Everything about a package, with keys and address from elsewhere; the witness's time."""
    files = {}
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        for name in archive.namelist():
            files[name] = archive.read(name)
    told = unjws(files.pop("manifest.jws").decode(), house_key)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert hashes == told["files"], "manifest"

    entry = json.loads(files["entry.json"])
    leaf = hashlib.sha256(b"\0" + files["entry.json"]).digest()
    opened = json.loads(files["openings.json"])
    for kind in ("wording", "notice"):
        assert hashlib.sha256(files[f"{kind}.json"]).hexdigest() == entry[f"{kind}_id"], kind
        assert json.loads(files[f"{kind}.json"])["text"].encode() == files[f"{kind}.txt"], kind
    values = {
        "c_subject": hmac.new(bytes.fromhex(opened["r1"]), opened["subject"].encode(), "sha256"),
        "c_identity": hmac.new(
            bytes.fromhex(opened["r2"]), f"{entry['channel']}|{address}".encode(), "sha256"
        ),
        "c_evidence": hashlib.sha256(bytes.fromhex(opened["r3"]) + opened["evidence"].encode()),
    }
    for name, value in values.items():
        assert entry[name] == value.hexdigest(), name

    head, note = files["proof.tlog-proof"].decode().split("\n\n", 1)
    first, index, *path = head.splitlines()
    assert first == "c2sp.org/tlog-proof@v1", "header"
    text, _ = signed_note(note, log_key)
    _, at = signed_note(note, witness_key)
    origin, size, root = text.splitlines()[:3]
    assert origin == log_key.split("+")[0], "origin"
    steps = [base64.b64decode(step) for step in path]
    found = root_from(leaf, int(index.removeprefix("index ")), int(size), steps)
    assert found == base64.b64decode(root), "root"
    return at
