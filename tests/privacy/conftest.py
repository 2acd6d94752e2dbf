"""Staff and newsletters for the tests of the ground floor; newsletters are bare ids here."""

from uuid import UUID

import pytest

from privacy.access import Actor
from privacy.models import Grant, User

SPORT = UUID(int=1)
CULTURE = UUID(int=2)
PASSWORD = "correct horse battery staple"


@pytest.fixture
def staff(db):
    """`staff("editor", newsletter)` makes a member of staff with one role."""

    def make(role: str, newsletter: UUID | None = None, email: str = "") -> User:
        user = User.objects.create_user(email or f"{role}@example.org", PASSWORD, name=role)
        Grant.objects.create(user=user, role=role, newsletter=newsletter)
        return user

    return make


@pytest.fixture
def administrator(staff):
    return staff("administrator")


@pytest.fixture
def admin(administrator):
    return Actor.staff(administrator)
