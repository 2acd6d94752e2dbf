"""What the verification scan looks for: a person's identifiers in every form we can think of.

They have to outlive the rows, so they are collected first and sealed under a key of their own, the
key of a made-up person. The scan destroys that key when it is done.
"""

import base64
import json
import re
from functools import partial
from urllib.parse import quote, quote_plus
from uuid import UUID

from django.db import transaction

from privacy.models import DataSubject, RequestStep
from privacy.vault import Where, new_subject, open_sealed, seal, shred_all

# Shorter pieces would be found by chance, in other people's numbers and in random bytes.
SHORTEST = 6
BASE64_GROUP = 3


@transaction.atomic
def keep(step: RequestStep, identifiers: list[tuple[str, str]]) -> None:
    """Seal `identifiers` ((kind, canonical) pairs) with the step that needs them. Done once."""
    held = RequestStep.objects.select_for_update().get(pk=step.pk)
    if held.sealed:
        return
    keeper = new_subject()
    held.sealed = seal(keeper, "ops", _where(held), json.dumps(identifiers).encode())
    held.facts = {**held.facts, "keeper": str(keeper)}
    held.save(update_fields=["sealed", "facts"])


def kept(step: RequestStep) -> list[tuple[str, str]]:
    keeper = UUID(step.facts["keeper"])
    assert step.sealed
    plain = open_sealed(keeper, "ops", _where(step), bytes(step.sealed))
    return [(kind, canonical) for kind, canonical in json.loads(plain)]


def forget(step: RequestStep) -> None:
    """Destroy what was kept: bytes and made-up person now, the key once that is committed.

    Killed in between, the key is an orphan and goes with the next sweep.
    """
    keeper = UUID(step.facts.pop("keeper"))
    step.sealed = None
    step.save(update_fields=["sealed", "facts"])
    DataSubject.objects.filter(pk=keeper).delete()
    transaction.on_commit(partial(shred_all, keeper))


def forms(identifiers: list[tuple[str, str]]) -> list[str]:
    """Every spelling to look for; case is to be ignored by whoever looks."""
    found: dict[str, None] = {}
    for _kind, canonical in identifiers:
        for text in _spellings(canonical):
            found.update(dict.fromkeys(_encodings(text)))
    return [form for form in found if len(form) >= SHORTEST]


def _spellings(canonical: str) -> list[str]:
    digits = re.sub(r"\D", "", canonical)
    is_number = digits and len(digits) >= len(canonical) - 1
    return [canonical, digits] if is_number and digits != canonical else [canonical]


def _encodings(text: str) -> list[str]:
    raw = text.encode()
    return [text, raw.hex(), quote(text, safe=""), quote_plus(text), *_base64(raw)]


def _base64(raw: bytes) -> list[str]:
    """How `raw` looks inside a longer base64 text: one form for each of the three alignments."""
    looks = []
    for lead in range(BASE64_GROUP):
        text = base64.b64encode(b"\0" * lead + raw).decode()
        # The first characters mix with what stands before, the last with what stands behind.
        start = (0, 2, 3)[lead]
        end = (len(raw) + lead) * 8 // 6
        looks += [text[start:end], text[start:end].translate(str.maketrans("+/", "-_"))]
    return looks


def _where(step: RequestStep) -> Where:
    return Where("privacy_requeststep", "sealed", step.pk)
