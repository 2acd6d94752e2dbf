"""The proof of one consent record as files: what a court, an authority or the person can check.

The bytes are always the same for the same state of the ledger: fixed order, fixed times, nothing
compressed, so that two copies can be compared.
"""

import io
import zipfile
from hashlib import sha256
from pathlib import Path

import orjson

from privacy.audit import Log, canonical, tlog_proof, verifier_keys
from subscriptions.models import ConsentRecord
from subscriptions.proof import paper, sign
from subscriptions.proof.facts import Facts, facts_of

SCHEMA = "jawort-proof/1"
KIND = "consent-proof+jws"
MANIFEST = "manifest.jws"
HERE = Path(__file__).resolve().parent
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a ZIP can tell
READABLE = 0o644 << 16
Files = dict[str, bytes]


def package(record: ConsentRecord, language: str) -> bytes:
    """The ZIP, with the paper in `language`."""
    facts = facts_of(record)
    files = files_of(facts)
    files["proof.pdf"] = paper.pdf_of(facts, language)
    files[MANIFEST] = manifest(facts, files)
    return packed(files)


def pdf(record: ConsentRecord, language: str) -> bytes:
    """The paper alone."""
    return paper.pdf_of(facts_of(record), language)


def checkable(facts: Facts) -> Files:
    """What `verify` reads, without the paper: for showing the result on a page."""
    files = files_of(facts)
    return {**files, MANIFEST: manifest(facts, files)}


def files_of(facts: Facts) -> Files:
    """Every file but paper and manifest; those that do not exist (yet, any more) are left out."""
    files = {**_record(facts), **_shown(facts), **_logged(facts)}
    files["house-key.json"] = _lines(sign.public_keys())
    files["verify.py"] = (HERE / "verify.py").read_bytes()
    for language in ("de", "en"):
        files[f"README.{language}.txt"] = paper.readme(facts, language).encode()
    return files


def manifest(facts: Facts, files: Files) -> bytes:
    """The house's signature over the hashes of all files."""
    told = {
        "schema": SCHEMA,
        "record": str(facts.record.pk),
        "leaf": facts.leaf,
        "status": "logged" if facts.inclusion else "waiting",
        "files": {name: sha256(data).hexdigest() for name, data in files.items()},
    }
    return sign.sign(canonical(told), KIND).encode()


def packed(files: Files) -> bytes:
    """A ZIP of `files`, in the order of their names."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as made:
        for name in sorted(files):
            about = zipfile.ZipInfo(name, EPOCH)
            about.external_attr, about.create_system = READABLE, 3
            made.writestr(about, files[name])
    return out.getvalue()


def _record(facts: Facts) -> Files:
    """The bytes, and what opens their commitments."""
    files: Files = {"entry.json": facts.raw} if facts.raw else {}
    if facts.openings is None:
        return files
    files["openings.json"] = _lines({**facts.openings, "subject": str(facts.record.subject)})
    files["declaration.json"] = _lines(facts.evidence)
    if facts.address is not None:
        kind = facts.entry.get("channel", "")
        files["person.json"] = _lines({"channel": kind, "address": facts.address})
    return files


def _shown(facts: Facts) -> Files:
    """The texts, as the bytes that were hashed and as they were read."""
    files: Files = {}
    if facts.wording:
        files["wording.json"] = facts.wording.exact()
        files["wording.txt"] = facts.wording.text.encode()
    if facts.notice:
        files["notice.json"] = facts.notice.exact()
        files["notice.txt"] = facts.notice.text.encode()
    return files


def _logged(facts: Facts) -> Files:
    if facts.inclusion is None:
        return {}
    stamp = facts.inclusion.stamp
    return {
        **({"checkpoint.tsr": stamp} if stamp else {}),
        "proof.tlog-proof": tlog_proof(facts.inclusion).encode(),
        "checkpoint.txt": facts.inclusion.checkpoint.encode(),
        "policy.txt": policy(facts.inclusion.checkpoint, verifier_keys(Log.CONSENT)).encode(),
    }


def policy(checkpoint: str, keys: list[str]) -> str:
    """The keys as a tlog-policy (C2SP): the log's own, and witnesses of whom any one suffices."""
    origin = checkpoint.partition("\n")[0]
    own = [key for key in keys if key.partition("+")[0] == origin]
    others = [key for key in keys if key not in own]
    names = [f"witness{number}" for number in range(1, len(others) + 1)]
    lines = [f"log {key}" for key in own]
    lines += [f"witness {name} {key}" for name, key in zip(names, others, strict=True)]
    if names:
        lines.append(f"group witnesses any {' '.join(names)}")
    lines.append(f"quorum {'witnesses' if names else 'none'}")
    return "\n".join(lines) + "\n"


def _lines(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
