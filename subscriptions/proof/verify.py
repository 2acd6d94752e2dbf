#!/usr/bin/env python3
"""Prüft den Nachweis einer Einwilligung. Checks the proof of a consent.

    python verify.py [FOLDER or ZIP] [--address NUMBER] [--lang de|en]
                     [--key VKEY]... [--house-key X]

Needs Python 3.11 and `cryptography`, no network and nothing of the program that made the proof.
Exit code: 0 everything holds; 1 something does not; 2 nothing could be read; 3 nothing
contradicts, but something cannot be shown (yet).

Formats: RFC 6962 (tree), C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof and
tlog-policy, RFC 7515 (JWS).
"""

import argparse
import base64
import hmac
import json
import struct
import sys
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HOLDS, FAILS, OPEN, NOTE = "holds", "fails", "open", "note"
MANIFEST, HOUSE_KEY, PROOF = "manifest.jws", "house-key.json", "proof.tlog-proof"
PROOF_HEADER = "c2sp.org/tlog-proof@v1"
ED25519, COSIGNED, ML_DSA = 0x01, 0x04, 0x06  # signature types of C2SP
ADDRESS_NOISE = str.maketrans("", "", " -/().\u00a0")
Files = dict[str, bytes]


class Finding(NamedTuple):
    """What one check found: `state` is one of holds, fails, open (cannot be shown), note."""

    check: str
    state: str
    german: str
    english: str

    def text(self, language: str) -> str:
        return self.german if language == "de" else self.english


class Wrong(Exception):
    """What does not hold, in both languages."""

    def __init__(self, german: str, english: str) -> None:
        super().__init__(english)
        self.german, self.english = german, english


def verify(
    files: Files, *, address: str = "", keys: tuple[str, ...] = (), house_key: str = ""
) -> list[Finding]:
    """All findings about the package `files`; nothing is raised, whatever stands in them.

    `address` is a number or address somebody claims; `keys` (vkeys) and `house_key` (the `x` of a
    JWK) come from elsewhere and replace those in the package.
    """
    package = Package(files, address, keys, house_key)
    found: list[Finding] = []
    for check in CHECKS:
        name = check.__name__.removeprefix("check_")
        try:
            found += [Finding(name, *told) for told in check(package)]
        except Wrong as wrong:
            found.append(Finding(name, FAILS, wrong.german, wrong.english))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            found.append(Finding(name, FAILS, *unreadable(name)))
    return found


def verdict(found: list[Finding]) -> int:
    """The exit code."""
    states = {one.state for one in found}
    return 1 if FAILS in states else 3 if OPEN in states else 0


@dataclass(frozen=True)
class Package:
    """The files of a proof, and what was given beside them."""

    files: Files
    address: str
    keys: tuple[str, ...]
    house_key: str

    def json(self, name: str) -> Any:
        return json.loads(self.files[name])

    @property
    def entry(self) -> dict[str, Any]:
        entry: dict[str, Any] = json.loads(self.files["entry.json"])
        return entry

    @property
    def openings(self) -> dict[str, Any] | None:
        return self.json("openings.json") if "openings.json" in self.files else None

    @property
    def manifest(self) -> dict[str, Any]:
        """What the house said the package holds; not yet checked."""
        try:
            told: dict[str, Any] = json.loads(unbase64url(self.files[MANIFEST].split(b".")[1]))
        except (KeyError, IndexError, ValueError):
            raise Wrong(*unreadable("files")) from None
        return told


Told = Iterator[tuple[str, str, str]]


def check_files(package: Package) -> Told:
    """The house signed a list of all files: none was changed, removed or added."""
    head, body, signature = package.files[MANIFEST].strip().split(b".")
    header = json.loads(unbase64url(head))
    if header.get("alg") != "EdDSA" or header.get("typ") != "consent-proof+jws":
        raise Wrong("manifest.jws: falsche Art der Unterschrift", "manifest.jws: wrong signature")
    key = package.house_key or package.json(HOUSE_KEY)["keys"][0]["x"]
    if not is_signed(unbase64url(key.encode()), unbase64url(signature), head + b"." + body):
        raise Wrong(
            "manifest.jws oder house-key.json: Die Unterschrift des Hauses passt nicht.",
            "manifest.jws or house-key.json: the signature of the house does not fit.",
        )
    listed: dict[str, str] = json.loads(unbase64url(body))["files"]
    there = {name: sha256(data).hexdigest() for name, data in package.files.items()}
    there.pop(MANIFEST)
    wrong = sorted(name for name in listed | there if listed.get(name) != there.get(name))
    for name in wrong:
        german, english = (
            ("fehlt", "is missing") if name not in there
            else ("gehört nicht dazu", "does not belong here") if name not in listed
            else ("wurde verändert", "was changed")
        )  # fmt: skip
        yield FAILS, f"{name} {german}.", f"{name} {english}."
    if not wrong:
        yield (
            HOLDS,
            f"Alle {len(listed)} Dateien sind so, wie das Haus sie ausgestellt hat.",
            f"All {len(listed)} files are as the house issued them.",
        )


def check_entry(package: Package) -> Told:
    """The exact bytes of the record are in canonical form and yield the stated hash."""
    if "entry.json" not in package.files:
        yield (
            OPEN,
            "Der Wortlaut des Eintrags wurde nach Ablauf der Frist gelöscht; nur sein Hash blieb.",
            "The bytes of the record were removed after their term; only their hash is left.",
        )
        return
    raw = package.files["entry.json"]
    if canonical(package.entry) != raw:
        raise Wrong("entry.json ist nicht in fester Form.", "entry.json is not in canonical form.")
    if leaf_of(package).hex() != package.manifest["leaf"]:
        raise Wrong(
            "entry.json ergibt nicht den Hash des Eintrags.",
            "entry.json does not yield the hash of the record.",
        )
    entry = package.entry
    german, english = STATES.get(entry["state"], (entry["state"], entry["state"]))
    if entry.get("method") == "existing_customer":
        german, english = CUSTOMER
    yield (
        HOLDS,
        f"Eintrag {entry['id']}: {german} am {entry['time']} (Uhr des Hauses).",
        f"Record {entry['id']}: {english} at {entry['time']} (the house's own clock).",
    )


def check_wording(package: Package) -> Told:
    yield from shown(package, "wording", "Der gezeigte Text", "The wording shown")


def check_notice(package: Package) -> Told:
    yield from shown(package, "notice", "Der Datenschutzhinweis", "The privacy notice")


def shown(package: Package, kind: str, german: str, english: str) -> Told:
    """A text's hash stands in the record, and the readable file says the same."""
    if "entry.json" not in package.files:
        return
    named, name, plain = package.entry[f"{kind}_id"], f"{kind}.json", f"{kind}.txt"
    if not named:
        if name in package.files or plain in package.files:
            raise Wrong(f"{name} gehört nicht dazu.", f"{name} does not belong here.")
        yield NOTE, f"{german}: hier wurde keiner gezeigt.", f"{english}: none was shown here."
        return
    if sha256(package.files[name]).hexdigest() != named:
        raise Wrong(
            f"{name} ist nicht der Text, den der Eintrag nennt.",
            f"{name} is not the text that the record names.",
        )
    if package.json(name)["text"].encode() != package.files[plain]:
        raise Wrong(f"{plain} sagt anderes als {name}.", f"{plain} differs from {name}.")
    if kind == "wording" and package.json(name)["notice"] != package.entry["notice_id"]:
        raise Wrong("wording.json nennt einen anderen Hinweis.", "wording.json: another notice.")
    yield HOLDS, f"{german} ist genau dieser: {plain}.", f"{english} is exactly this: {plain}."


def check_evidence(package: Package) -> Told:
    """The declaration (request, answer, times, ids) is the one the record commits to."""
    openings = package.openings
    if openings is None or "entry.json" not in package.files:
        yield (
            OPEN,
            "Die Erklärung wurde gelöscht; wer sie abgab, lässt sich nicht mehr zeigen.",
            "The declaration was erased; who made it can no longer be shown.",
        )
        return
    evidence = openings["evidence"].encode()
    if sha256(bytes.fromhex(openings["r3"]) + evidence).hexdigest() != package.entry["c_evidence"]:
        raise Wrong(
            "openings.json: Die Erklärung ist nicht die des Eintrags.",
            "openings.json: the declaration is not the one of the record.",
        )
    if package.json("declaration.json") != json.loads(evidence):
        raise Wrong(
            "declaration.json sagt anderes als der Eintrag.",
            "declaration.json differs from the record.",
        )
    yield (
        HOLDS,
        "Anfrage und Antwort sind die, die der Eintrag festhält (declaration.json).",
        "Request and answer are those the record holds (declaration.json).",
    )


def check_person(package: Package) -> Told:
    """The random number of the person is the one the record commits to."""
    openings = package.openings
    if openings is None or "entry.json" not in package.files:
        return
    opened = commitment(openings["r1"], openings["subject"])
    if not hmac.compare_digest(opened, package.entry["c_subject"]):
        raise Wrong(
            "openings.json: Der Eintrag gehört zu einer anderen Person.",
            "openings.json: the record belongs to another person.",
        )
    yield (
        HOLDS,
        f"Der Eintrag gehört zur Person mit der Zufallsnummer {openings['subject']}.",
        f"The record belongs to the person with the random number {openings['subject']}.",
    )


def check_address(package: Package) -> Told:
    """The claimed number or address is the one the record commits to."""
    openings = package.openings
    if openings is None or "entry.json" not in package.files:
        return
    claimed = package.address
    if not claimed and "person.json" in package.files:
        claimed = package.json("person.json")["address"]
    if not claimed:
        yield (
            OPEN,
            "Keine Adresse zum Vergleich: mit --address NUMMER angeben.",
            "No address to compare with: name one by --address NUMBER.",
        )
        return
    channel = package.entry["channel"]
    for spelled in spellings(claimed):
        opened = commitment(openings["r2"], f"{channel}|{spelled}")
        if hmac.compare_digest(opened, package.entry["c_identity"]):
            yield (
                HOLDS,
                f"Die Erklärung kam von {spelled} ({channel}).",
                f"The declaration came from {spelled} ({channel}).",
            )
            return
    raise Wrong(
        f"Von {claimed} ({channel}) kam diese Erklärung nicht.",
        f"This declaration did not come from {claimed} ({channel}).",
    )


def check_inclusion(package: Package) -> Told:
    """The hash of the record is a leaf of the tree whose root the checkpoint names."""
    if PROOF not in package.files:
        if package.manifest["status"] == "logged":
            raise Wrong(f"{PROOF} fehlt.", f"{PROOF} is missing.")
        yield (
            OPEN,
            "Noch in keinem Prüfpunkt: Der Eintrag ist neu. Später erneut herunterladen.",
            "Not yet in a checkpoint: the record is new. Download the proof again later.",
        )
        return
    index, path, note = read_proof(package.files[PROOF])
    if note.encode() != package.files["checkpoint.txt"]:
        raise Wrong(
            f"{PROOF} und checkpoint.txt nennen verschiedene Prüfpunkte.",
            f"{PROOF} and checkpoint.txt hold different checkpoints.",
        )
    size, root = read_checkpoint(note)[1:]
    if root_by_path(leaf_of(package), index, size, path) != root:
        raise Wrong(
            f"{PROOF}: Der Eintrag ist nicht im Baum dieses Prüfpunkts.",
            f"{PROOF}: the record is not in the tree of this checkpoint.",
        )
    yield (
        HOLDS,
        f"Der Eintrag ist Nummer {index + 1} von {size} im Verzeichnis des Prüfpunkts.",
        f"The record is number {index + 1} of {size} in the log of the checkpoint.",
    )


def check_checkpoint(package: Package) -> Told:
    """The log's own key signed the checkpoint."""
    if PROOF not in package.files:
        return
    note = package.files["checkpoint.txt"].decode()
    origin = read_checkpoint(note)[0]
    known = known_keys(package)
    if not any(key.name == origin and key.kind == ED25519 for key in known):
        raise Wrong("policy.txt kennt das Verzeichnis nicht.", "policy.txt does not know the log.")
    signed = [one for one in signatures(note, known) if one.key.name == origin]
    if not any(one.key.kind == ED25519 for one in signed) or any(not one.fits for one in signed):
        raise Wrong(
            "checkpoint.txt oder policy.txt: Die Unterschrift des Verzeichnisses passt nicht.",
            "checkpoint.txt or policy.txt: the signature of the log does not fit.",
        )
    for one in signed:
        yield HOLDS, *one.told("Verzeichnis", "Log")


def check_witnesses(package: Package) -> Told:
    """Witnesses elsewhere saw the same checkpoint, and when."""
    if PROOF not in package.files:
        return
    note = package.files["checkpoint.txt"].decode()
    origin = read_checkpoint(note)[0]
    known = [key for key in known_keys(package) if key.name != origin]
    signed = signatures(note, known)
    for one in signed:
        if not one.fits:
            raise Wrong(
                f"checkpoint.txt: Die Gegenzeichnung von {one.key.name} passt nicht.",
                f"checkpoint.txt: the cosignature of {one.key.name} does not fit.",
            )
        yield HOLDS, *one.told("Zeuge", "Witness")
    if known and not signed:
        yield (
            OPEN,
            "Noch hat kein Zeuge diesen Prüfpunkt gegengezeichnet. Später erneut herunterladen.",
            "No witness has cosigned this checkpoint yet. Download the proof again later.",
        )
    elif not signed:
        yield (
            NOTE,
            "Kein unabhängiger Zeuge hat gegengezeichnet: Das Verzeichnis bürgt allein für sich.",
            "No independent witness has cosigned: the log vouches for itself alone.",
        )


CHECKS: tuple[Callable[[Package], Told], ...] = (
    check_files, check_entry, check_wording, check_notice, check_evidence, check_person,
    check_address, check_inclusion, check_checkpoint, check_witnesses,
)  # fmt: skip


@dataclass(frozen=True)
class Key:
    """A vkey of C2SP: `name+id+base64(kind | public key)`."""

    name: str
    id: bytes
    kind: int
    public: bytes

    @classmethod
    def read(cls, text: str) -> "Key":
        name, shown, coded = text.strip().split("+", 2)
        raw = base64.b64decode(coded, validate=True)
        known = sha256(name.encode() + b"\n" + raw).digest()[:4]
        if known.hex() != shown or not name or (raw[0] != ML_DSA and len(raw) != 33):
            raise Wrong(f"Kein gültiger Schlüssel: {name}", f"No valid key: {name}")
        return cls(name, known, raw[0], raw[1:])


@dataclass(frozen=True)
class Signature:
    """One signature on a note by a known key. `at`: seconds, where the signer says when."""

    key: Key
    fits: bool
    at: int = 0

    def told(self, german: str, english: str) -> tuple[str, str]:
        when = datetime.fromtimestamp(self.at, UTC).isoformat() if self.at else ""
        kind = " (ML-DSA-44)" if self.key.kind == ML_DSA else ""
        name = f"{self.key.name}, {self.key.id.hex()}{kind}"
        return (
            f"{german} {name} hat unterschrieben" + (f", am {when}." if when else "."),
            f"{english} {name} has signed" + (f", at {when}." if when else "."),
        )


def known_keys(package: Package) -> list[Key]:
    """The keys of log and witnesses: those given from elsewhere, else those of policy.txt."""
    if package.keys:
        return [Key.read(text) for text in package.keys]
    lines = [line.split() for line in package.files["policy.txt"].decode().splitlines()]
    texts = [line[1] for line in lines if line[:1] == ["log"]]
    texts += [line[2] for line in lines if line[:1] == ["witness"]]
    return [Key.read(text) for text in texts]


def signatures(note: str, keys: list[Key]) -> list[Signature]:
    """The signatures of known keys; those of others are ignored, as the standard says."""
    body, _, signed = note.rpartition("\n\n")
    body += "\n"
    found = []
    for line in signed.splitlines():
        dash, name, coded = line.split(" ")
        raw = base64.b64decode(coded, validate=True)
        if dash != "—":
            raise ValueError(f"no signature line: {line}")
        for key in keys:
            if (key.name, key.id) == (name, raw[:4]):
                found.append(signature(key, raw[4:], body))
    return found


def signature(key: Key, raw: bytes, body: str) -> Signature:
    if key.kind == ED25519:
        return Signature(key, is_signed(key.public, raw, body.encode()))
    (at,) = struct.unpack(">Q", raw[:8])
    if key.kind == COSIGNED:
        message = f"cosignature/v1\ntime {at}\n{body}".encode()
        return Signature(key, is_signed(key.public, raw[8:], message), at)
    if key.kind == ML_DSA:
        origin, size, root = read_checkpoint(body + "\n")
        message = b"subtree/v1\n\0" + prefixed(key.name) + struct.pack(">Q", at)
        message += prefixed(origin) + struct.pack(">QQ", 0, size) + root
        return Signature(key, is_ml_dsa(key.public, raw[8:], message), at)
    raise Wrong(f"Unbekannte Art der Unterschrift: {key.name}", f"Unknown signature: {key.name}")


def prefixed(text: str) -> bytes:
    return bytes((len(text.encode()),)) + text.encode()


def is_signed(public: bytes, signed: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signed, message)
    except InvalidSignature:
        return False
    return True


def is_ml_dsa(public: bytes, signed: bytes, message: bytes) -> bool:
    """ML-DSA-44 (FIPS 204), which older versions of `cryptography` do not know."""
    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

        MLDSA44PublicKey.from_public_bytes(public).verify(signed, message)
    except (ImportError, UnsupportedAlgorithm):
        raise Wrong(
            "Für ML-DSA-44 ist `cryptography` zu alt.", "`cryptography` is too old for ML-DSA-44."
        ) from None
    except InvalidSignature:
        return False
    return True


def read_proof(raw: bytes) -> tuple[int, list[bytes], str]:
    """(index, path, checkpoint) of a tlog-proof."""
    head, _, note = raw.decode().partition("\n\n")
    lines = [line for line in head.split("\n") if not line.startswith("extra ")]
    if lines[0] != PROOF_HEADER or not lines[1].startswith("index "):
        raise ValueError(lines[0])
    return number(lines[1][6:]), [hash_of(line) for line in lines[2:]], note


def read_checkpoint(note: str) -> tuple[str, int, bytes]:
    """(origin, size, root) of a checkpoint."""
    origin, size, root = note.split("\n")[:3]
    return origin, number(size), hash_of(root)


def number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or str(int(text)) != text:
        raise ValueError(f"no number: {text}")
    return int(text)


def hash_of(text: str) -> bytes:
    raw = base64.b64decode(text, validate=True)
    if len(raw) != 32:
        raise ValueError(f"no hash: {text}")
    return raw


def leaf_of(package: Package) -> bytes:
    """RFC 6962: a leaf is the hash of a zero byte and the entry."""
    if "entry.json" in package.files:
        return sha256(b"\x00" + package.files["entry.json"]).digest()
    return bytes.fromhex(package.manifest["leaf"])


def root_by_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that an inclusion path leads to (RFC 9162, 2.1.3.2); b"" for a wrong length."""
    if index >= size:
        return b""
    place, last, node = index, size - 1, leaf
    for other in path:
        if not last:
            return b""
        if place & 1 or place == last:
            node = sha256(b"\x01" + other + node).digest()
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            node = sha256(b"\x01" + node + other).digest()
        place, last = place >> 1, last >> 1
    return b"" if last else node


def commitment(secret: str, value: str) -> str:
    return hmac.new(bytes.fromhex(secret), value.encode(), sha256).hexdigest()


def spellings(claimed: str) -> list[str]:
    """As it was typed, without the gaps of a telephone number, and in small letters."""
    bare = claimed.strip()
    digits = bare.translate(ADDRESS_NOISE)
    international = "+" + digits[2:] if digits.startswith("00") else digits
    return [bare, digits, international, bare.lower()]


def canonical(value: object) -> bytes:
    """JSON with sorted keys, no spaces, Unicode as such in NFC."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return unicodedata.normalize("NFC", text).encode()


def unbase64url(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def unreadable(name: str) -> tuple[str, str]:
    german, english = READS[name]
    return f"{german}: fehlt oder ist nicht lesbar.", f"{english}: missing or not readable."


READS = {
    "files": ("manifest.jws oder house-key.json", "manifest.jws or house-key.json"),
    "entry": ("entry.json", "entry.json"),
    "wording": ("wording.json", "wording.json"),
    "notice": ("notice.json", "notice.json"),
    "evidence": ("openings.json oder declaration.json", "openings.json or declaration.json"),
    "person": ("openings.json", "openings.json"),
    "address": ("openings.json oder person.json", "openings.json or person.json"),
    "inclusion": (f"{PROOF} oder checkpoint.txt", f"{PROOF} or checkpoint.txt"),
    "checkpoint": ("checkpoint.txt oder policy.txt", "checkpoint.txt or policy.txt"),
    "witnesses": ("checkpoint.txt oder policy.txt", "checkpoint.txt or policy.txt"),
}
STATES = {
    "requested": ("Einwilligung behauptet", "consent claimed"),
    "given": ("Einwilligung erteilt", "consent given"),
    "renewed": ("Einwilligung erneuert", "consent renewed"),
    "withdrawn": ("Einwilligung widerrufen", "consent withdrawn"),
    "objected": ("Widerspruch eingelegt", "objection made"),
    "refused": ("Einwilligung abgelehnt", "consent refused"),
    "expired": ("Einwilligung abgelaufen", "consent expired"),
    "invalidated": ("Einwilligung für ungültig erklärt", "consent declared invalid"),
}
CUSTOMER = (
    "Bestandskunde, § 7 Abs. 3 UWG, keine Einwilligung",
    "§ 7(3) UWG, existing customer, no consent",
)
WORDS = {
    "de": {HOLDS: "stimmt", FAILS: "STIMMT NICHT", OPEN: "offen", NOTE: "Hinweis"},
    "en": {HOLDS: "holds", FAILS: "DOES NOT HOLD", OPEN: "open", NOTE: "note"},
}
VERDICTS = {
    "de": {
        0: "Alles stimmt überein.",
        1: "Dieser Nachweis stimmt nicht: siehe oben.",
        3: "Nichts widerspricht sich, aber nicht alles ließ sich zeigen: siehe „offen“.",
    },
    "en": {
        0: "Everything holds.",
        1: "This proof does not hold: see above.",
        3: "Nothing contradicts, but not everything could be shown: see “open”.",
    },
}
ADVICE = {
    "de": "Woher kennen Sie die Schlüssel? Vergleichen Sie sie mit einer Quelle außerhalb des"
    " Pakets (--key, --house-key).",
    "en": "How do you know the keys? Compare them with a source outside the package"
    " (--key, --house-key).",
}


def read_files(place: Path) -> Files:
    """The files of a ZIP or of an unpacked folder."""
    if place.is_dir():
        return {one.name: one.read_bytes() for one in sorted(place.iterdir()) if one.is_file()}
    with zipfile.ZipFile(place) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("place", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--address", default="", help="number or address that is claimed")
    parser.add_argument("--lang", choices=("de", "en"), default="de")
    parser.add_argument("--key", action="append", default=[], help="vkey of the log or a witness")
    parser.add_argument("--house-key", default="", help="public key of the house (`x` of its JWK)")
    given = parser.parse_args()
    try:
        files = read_files(given.place)
    except (OSError, zipfile.BadZipFile) as error:
        print(f"{given.place}: {error}", file=sys.stderr)
        return 2
    found = verify(
        files, address=given.address, keys=tuple(given.key), house_key=given.house_key
    )  # fmt: skip
    for one in found:
        print(f"{WORDS[given.lang][one.state]:>14}  {one.text(given.lang)}")
    code = verdict(found)
    print(f"\n{VERDICTS[given.lang][code]}")
    if not (given.key and given.house_key):
        print(ADVICE[given.lang])
    return code


if __name__ == "__main__":
    sys.exit(main())
