"""`manage.py create_staff`: the first administrator, or anybody when nobody can sign in."""

import secrets
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import transaction

from privacy.access import Actor
from privacy.access.actions import create_staff, grant_role
from privacy.models import Grant, User

PASSWORD_BYTES = 15  # 20 characters


class Command(BaseCommand):
    help = "Create a member of staff with a random password, which is printed once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--role", choices=Grant.Role.values, required=True, action="append")
        parser.add_argument("--newsletter", type=UUID, help="only in this one; default: in all")
        parser.add_argument("--name", default="")
        parser.add_argument("--language", default="de")

    def handle(self, *args: Any, **options: Any) -> None:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        _create(password, **options)
        self.stdout.write(f"Password, shown only now: {password}")
        self.stdout.write("The second factor is set up at the first sign-in.")


@transaction.atomic
def _create(password: str, **options: Any) -> None:
    email = options["email"].lower()
    try:
        validate_email(email)
    except ValidationError:
        raise CommandError("This is no e-mail address.") from None
    if User.objects.filter(email=email).exists():
        raise CommandError("There is already somebody with this e-mail address.")
    actor = Actor.system("create_staff")
    user = create_staff(
        email=email,
        password=password,
        actor=actor,
        name=options["name"],
        language=options["language"],
    )
    for role in options["role"]:
        grant_role(user=user, role=role, newsletter=options["newsletter"], actor=actor)
