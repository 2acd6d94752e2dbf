"""Who removes what: each app registers a function for a class of data it keeps.

    @expires("inbound_text")
    def remove_old_texts(now: datetime) -> int:

The function removes what is due at `now`, in batches of its own, and tells how much. It may run
twice at once and any number of times. It stands in `tasks.py`, which the tick imports.
"""

from collections.abc import Callable
from datetime import datetime

from django.utils.module_loading import autodiscover_modules

from privacy.retention.defaults import DATA_CLASSES

Expiry = Callable[[datetime], int]
_expiries: dict[str, list[Expiry]] = {}


def expires(data_class: str) -> Callable[[Expiry], Expiry]:
    """Register a function for a class of privacy/retention/defaults.py."""
    if data_class not in DATA_CLASSES:
        raise ValueError(f"{data_class} is no class of data with a retention rule.")

    def register(function: Expiry) -> Expiry:
        known = _expiries.setdefault(data_class, [])
        if function not in known:
            known.append(function)
        return function

    return register


def expiries() -> dict[str, list[Expiry]]:
    """All that are registered, by class of data."""
    autodiscover_modules("tasks")
    return dict(_expiries)
