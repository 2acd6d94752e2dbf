"""The term of the breach register, for the retention that runs by itself."""

from datetime import datetime

from privacy.records import incidents
from privacy.retention.registry import expires
from privacy.retention.stock import keeps

# Counted in words of its own, so that a fault in the removal does not hide in the count.
keeps("breach_register", "privacy_incident", due="closed_at < %(before)s")


@expires("breach_register")
def forget_incidents(now: datetime) -> int:
    return incidents.remove_expired(now)
