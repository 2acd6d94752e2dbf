"""Who removes what: each app registers a function for a class of data it keeps.

    @expires("inbound_text")
    def remove_old_texts(now: datetime) -> int:

The function removes one batch of what is due at `now`, leaves what is held by a legal hold, and
tells how much it removed; 0 means that nothing is left for it. It may run twice at once and any
number of times. It stands in `tasks.py`, which the tick imports; SQL of its own counts the same
rows (`keeps` in privacy/retention/stock.py).

Most classes are worked on once a night, after a plan. Terms of minutes and hours are `often=True`.
"""

from collections.abc import Callable
from datetime import datetime

from django.utils.module_loading import autodiscover_modules

from privacy.retention.defaults import DATA_CLASSES

Expiry = Callable[[datetime], int]
_expiries: dict[str, list[Expiry]] = {}
_often: set[Expiry] = set()


def expires(data_class: str, *, often: bool = False) -> Callable[[Expiry], Expiry]:
    """Register a function for a class of privacy/retention/defaults.py."""
    if data_class not in DATA_CLASSES:
        raise ValueError(f"{data_class} is no class of data with a retention rule.")

    def register(function: Expiry) -> Expiry:
        known = _expiries.setdefault(data_class, [])
        if function not in known:
            known.append(function)
        if often:
            _often.add(function)
        return function

    return register


def expiries() -> dict[str, list[Expiry]]:
    """All that are registered, by class of data."""
    discover()
    return dict(_expiries)


def discover() -> None:
    """Load what the apps register; costs next to nothing once it is loaded."""
    autodiscover_modules("tasks")


def of_the_minute() -> dict[str, list[Expiry]]:
    """What runs at every tick."""
    return _chosen(is_often=True)


def of_the_night() -> dict[str, list[Expiry]]:
    """What runs once a day, after a plan."""
    return _chosen(is_often=False)


def _chosen(*, is_often: bool) -> dict[str, list[Expiry]]:
    chosen = {
        name: [one for one in functions if (one in _often) == is_often]
        for name, functions in expiries().items()
    }
    return {name: functions for name, functions in chosen.items() if functions}
