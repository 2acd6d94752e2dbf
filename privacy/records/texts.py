"""What only the publisher knows: paragraphs that stand in register and assessment as written."""

from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from privacy.access import Actor
from privacy.audit import record
from privacy.models import RecordText

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# Key -> what it is for, as the page asks for it.
KEYS: Final[dict[str, "StrOrPromise"]] = {
    "measures": _("Measures of the house: rooms, training, contracts with staff"),
    "clients": _("Publishers on whose behalf you send (only for Art. 30(2) GDPR)"),
    "necessity": _("Impact assessment: why the processing is necessary and proportionate"),
    "views": _("Impact assessment: views of readers, where they were asked (Art. 35(9) GDPR)"),
    "advice": _("Impact assessment: advice of the data-protection officer (Art. 35(2) GDPR)"),
    "conclusion": _("Impact assessment: conclusion, with the residual risk as you see it"),
}
LANGUAGES = ("de", "en")


def text_of(key: str, language: str) -> list[str]:
    """Its lines in this language, or in the other one if only that was written."""
    row = RecordText.objects.filter(key=key).first()
    return row.lines(language) if row else []


@transaction.atomic
def write_text(*, key: str, text_de: str, text_en: str, actor: Actor) -> None:
    """Replace a paragraph. Versions of the documents keep what it said before."""
    if key not in KEYS:
        raise ValueError(f"{key} is no text of the records: {', '.join(KEYS)}.")
    values = {"text_de": text_de.strip(), "text_en": text_en.strip()}
    RecordText.objects.update_or_create(key=key, defaults=values)
    record("record.text_changed", actor=actor, obj="record_text", ref=key)
