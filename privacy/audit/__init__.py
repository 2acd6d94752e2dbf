"""Who did what, when and why: a log that only grows, without a word about the people concerned."""

from privacy.audit.anchors import anchors_active
from privacy.audit.canonical import canonical
from privacy.audit.errors import NeedsRebase, NotForTheLog, OutsideTransaction
from privacy.audit.insert_only import (
    INSERT_ONLY_TABLES,
    insert_only_sql,
    not_insert_only_sql,
)
from privacy.audit.keys import verifier_keys
from privacy.audit.log import record
from privacy.audit.proofs import InclusionProof, proof_of, tlog_proof
from privacy.audit.prune import prune
from privacy.audit.sequencer import sequence
from privacy.audit.verify import VerifyResult, verify
from privacy.models import Log

__all__ = [
    "INSERT_ONLY_TABLES",
    "InclusionProof",
    "Log",
    "NeedsRebase",
    "NotForTheLog",
    "OutsideTransaction",
    "VerifyResult",
    "anchors_active",
    "canonical",
    "insert_only_sql",
    "not_insert_only_sql",
    "proof_of",
    "prune",
    "record",
    "sequence",
    "tlog_proof",
    "verifier_keys",
    "verify",
]
