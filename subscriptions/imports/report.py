"""The report as a file: line numbers and reasons, never addresses."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from subscriptions.imports.check import CODES
from subscriptions.models import Import


def report_csv(imported: Import) -> Iterator[str]:
    """The report of an import, line by line, for a download."""
    yield "\ufeff"  # so that table programs read the umlauts
    yield f"{_('Line')};{_('Code')};{_('Meaning')}\r\n"
    for line, code in imported.report:
        yield f'{line};{code};"{CODES[str(code)]}"\r\n'
