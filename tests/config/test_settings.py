import pytest
from django.db import connections


@pytest.mark.django_db
def test_both_databases_answer():
    for alias in ("default", "keystore"):
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT current_user")
            assert cursor.fetchone() == ("jawort_owner",)
