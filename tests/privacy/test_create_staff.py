"""`manage.py create_staff`: the first administrator gets in."""

import pytest
from django.core.management import CommandError, call_command

from privacy.access import Actor, can
from privacy.models import User


def test_create_staff_prints_a_password_that_works_once(db, capsys, client, settings):
    call_command("create_staff", "Chef@Example.org", "--role", "administrator", "--role", "dpo")
    password = capsys.readouterr().out.splitlines()[0].rpartition(" ")[2]

    user = User.objects.get(email="chef@example.org")
    assert user.check_password(password)
    assert len(password) == 20
    assert can(Actor.staff(user), "user.manage")
    assert can(Actor.staff(user), "person.read")
    with pytest.raises(CommandError, match="already somebody"):
        call_command("create_staff", "chef@example.org", "--role", "editor")
    with pytest.raises(CommandError, match="no e-mail address"):
        call_command("create_staff", "chef", "--role", "editor")
