"""privacy/controller and `create_staff`: who answers for the house, and who gets in first."""

import pytest
from django.core.management import CommandError, call_command

from privacy.access import Actor, NotAllowed, can
from privacy.controller import controller, describe_controller, missing
from privacy.models import AuditEntry, User

COMPLETE = {
    "name": "Verlag Stadtanzeiger",
    "address": "Markt 1, 12345 Musterstadt",
    "email": "verlag@example.org",
    "imprint_url": "https://example.org/impressum",
    "dpo_contact": "datenschutz@example.org",
    "authority": "Landesbeauftragte für Datenschutz",
    "land": "NW",
}


def test_the_controller_is_one_row_and_its_gaps_are_named(admin, staff):
    assert controller() is None
    assert "imprint_url" in missing()

    describe_controller(actor=admin, **{**COMPLETE, "imprint_url": ""})
    assert missing() == ["imprint_url"]
    describe_controller(actor=admin, imprint_url=COMPLETE["imprint_url"])

    assert missing() == []
    row = controller()
    assert row
    assert row.name == "Verlag Stadtanzeiger"
    assert AuditEntry.objects.filter(action="controller.described").count() == 2
    with pytest.raises(NotAllowed):
        describe_controller(actor=Actor.staff(staff("editor")), name="Mine")
    with pytest.raises(ValueError, match="a controller has"):
        describe_controller(actor=admin, colour="red")


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
