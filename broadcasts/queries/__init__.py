"""Reads that shape the desk: previews, progress, results, lists."""

from broadcasts.queries.doubts import Account, CauseOfDoubt, account, causes_of_doubt, resending
from broadcasts.queries.lists import FILTERS, desk
from broadcasts.queries.preview import ChannelPreview, mail_document, preview, previews
from broadcasts.queries.progress import Progress, progress
from broadcasts.queries.results import Results, results, results_table

__all__ = [
    "FILTERS",
    "Account",
    "CauseOfDoubt",
    "ChannelPreview",
    "Progress",
    "Results",
    "account",
    "causes_of_doubt",
    "desk",
    "mail_document",
    "preview",
    "previews",
    "progress",
    "resending",
    "results",
    "results_table",
]
