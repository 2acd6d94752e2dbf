"""privacy/access: roles, scopes, tokens, and the two doors."""

from dataclasses import FrozenInstanceError
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.utils import timezone

from privacy.access import ACTIONS, Actor, NotAllowed, authenticate_token, can, require, visible_to
from privacy.access.actions import (
    create_staff,
    create_token,
    grant_role,
    revoke_role,
    revoke_token,
    set_active,
)
from privacy.access.errors import TokenRefused
from privacy.access.rights import EVERYWHERE, NOWHERE, Rights, Scope
from privacy.access.roles import ACTIONS_OF
from privacy.models import ApiToken, AuditEntry, Grant, User
from tests.privacy.conftest import CULTURE, SPORT

# The whole table of rights, written a second time: role by role, what each may do.
EXPECTED = {
    "editor": "broadcast.read broadcast.write broadcast.test segment.write inbox.read"
    " newsletter.read",
    "publisher": "broadcast.read broadcast.write broadcast.test broadcast.send segment.write"
    " inbox.read import.upload subscription.read newsletter.read",
    "dpo": "person.read person.export person.erase request.work import.approve audit.read"
    " retention.read subscription.read newsletter.read approval.give retention.manage",
    "administrator": "user.manage channel.manage newsletter.manage newsletter.read token.manage"
    " approval.give",
}
# What nobody gets by a grant for one newsletter, written a second time, too.
HOUSE = {
    "person.read", "person.export", "person.erase", "request.work", "audit.read",
    "retention.read", "user.manage", "channel.manage", "token.manage", "approval.give",
    "retention.manage",
}  # fmt: skip


@pytest.mark.parametrize("role", EXPECTED)
def test_each_role_may_do_exactly_what_the_table_says(staff, role):
    actor = Actor.staff(staff(role))

    assert {action for action in ACTIONS if can(actor, action)} == set(EXPECTED[role].split())


def test_who_sees_people_cannot_send_and_who_sends_sees_no_people():
    sends = {"broadcast.send", "broadcast.write", "broadcast.test"}
    sees = {"person.read", "person.export", "person.erase"}

    for actions in ACTIONS_OF.values():
        assert not (sends & actions and sees & actions)


def test_a_grant_for_one_newsletter_ends_at_its_border(staff):
    actor = Actor.staff(staff("publisher", SPORT))

    assert can(actor, "broadcast.send")
    assert can(actor, "broadcast.send", SPORT)
    assert not can(actor, "broadcast.send", CULTURE)
    with pytest.raises(NotAllowed):
        require(actor, "broadcast.send", CULTURE)
    assert issubclass(NotAllowed, PermissionDenied)


@pytest.mark.parametrize("role", EXPECTED)
def test_a_grant_for_one_newsletter_gives_no_right_over_the_house(staff, role):
    actor = Actor.staff(staff(role, SPORT))

    allowed = {action for action in ACTIONS if can(actor, action, SPORT)}

    assert allowed == set(EXPECTED[role].split()) - HOUSE
    assert not any(can(actor, action) for action in HOUSE)


def test_scopes_are_sets_of_newsletters_with_a_whole():
    sport, culture = Scope(frozenset({SPORT})), Scope(frozenset({CULTURE}))
    both = Scope(frozenset({SPORT, CULTURE}))

    assert sport | culture == both
    assert (both & sport, sport & culture) == (sport, NOWHERE)
    assert (EVERYWHERE & sport, sport & EVERYWHERE) == (sport, sport)
    assert (EVERYWHERE | sport).covers(CULTURE)
    assert [bool(scope) for scope in (NOWHERE, sport, EVERYWHERE)] == [False, True, True]
    for value, name in ((sport, "is_everywhere"), (Rights({}), "scopes")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, True)


def test_two_grants_add_up(staff):
    user = staff("editor", SPORT)
    Grant.objects.create(user=user, role="publisher", newsletter=CULTURE)
    actor = Actor.staff(user)

    assert can(actor, "broadcast.write", SPORT)
    assert can(actor, "broadcast.write", CULTURE)
    assert not can(actor, "broadcast.send", SPORT)


def test_an_unknown_action_is_a_mistake_and_no_refusal(staff):
    with pytest.raises(ValueError, match=r"roles\.py"):
        can(Actor.staff(staff("editor")), "broadcast.sned")


def test_a_subscriber_and_a_stranger_have_no_rights(db):
    nobody = User.objects.create_user("new@example.org", "x")

    for actor in (Actor.subscriber(uuid4()), Actor.staff(nobody), Actor("staff", uuid4())):
        assert not any(can(actor, action) for action in ACTIONS)
    assert all(can(Actor.system("retention"), action) for action in ACTIONS)


def test_a_superuser_of_django_has_no_rights_here(db):
    root = User.objects.create_superuser("root@example.org", "x")

    assert not any(can(Actor.staff(root), action) for action in ACTIONS)


class GrantsOf(Grant):
    """A table with a newsletter, to look through the second door at."""

    newsletter_path = "newsletter"

    class Meta:
        proxy = True
        app_label = "privacy"


def test_only_rows_of_own_newsletters_are_visible(staff):
    here = staff("editor", SPORT, "a@example.org")
    there = staff("editor", CULTURE, "b@example.org")
    everywhere = staff("dpo", None, "c@example.org")

    def seen(user, action=None):
        return set(
            visible_to(Actor.staff(user), GrantsOf.objects.all(), action).values_list(
                "user_id", flat=True
            )
        )

    assert seen(here) == {here.pk}
    assert seen(there) == {there.pk}
    assert seen(everywhere) == {here.pk, there.pk, everywhere.pk}
    assert seen(here, "broadcast.send") == set()
    assert not visible_to(Actor.subscriber(uuid4()), GrantsOf.objects.all()).exists()
    assert visible_to(Actor.system("tick"), GrantsOf.objects.all()).count() == 3


def test_rights_are_read_once_per_actor(staff, django_assert_num_queries):
    actor = Actor.staff(staff("editor"))

    with django_assert_num_queries(1):
        assert [can(actor, action) for action in sorted(ACTIONS)].count(True) == 6


def test_a_change_of_roles_counts_from_the_next_request(staff, admin):
    user = staff("editor")
    grant = grant_role(user=user, role=Grant.Role.PUBLISHER, newsletter=None, actor=admin)
    assert can(Actor.staff(user), "broadcast.send")

    revoke_role(grant=grant, actor=admin)

    assert not can(Actor.staff(user), "broadcast.send")
    assert can(Actor.staff(user), "broadcast.write")


def test_a_role_is_given_once(staff, admin):
    user = staff("editor")

    first = grant_role(user=user, role=Grant.Role.DPO, newsletter=None, actor=admin)
    again = grant_role(user=user, role=Grant.Role.DPO, newsletter=None, actor=admin)

    assert first == again
    assert AuditEntry.objects.filter(action="role.granted").count() == 1
    with pytest.raises(IntegrityError):
        Grant.objects.create(user=user, role="dpo", newsletter=None)


def test_rights_over_staff_need_the_right_to_manage_staff(staff):
    dpo = Actor.staff(staff("dpo"))
    user = staff("editor")
    calls = [
        lambda: create_staff(email="x@example.org", password="x", actor=dpo),
        lambda: grant_role(user=user, role=Grant.Role.DPO, newsletter=None, actor=dpo),
        lambda: revoke_role(grant=user.grants.get(), actor=dpo),
        lambda: set_active(user=user, is_active=False, actor=dpo),
        lambda: create_token(user=user, name="x", scopes=["inbox.read"], actor=dpo),
    ]

    for call in calls:
        with pytest.raises(NotAllowed):
            call()

    assert User.objects.count() == 2
    assert user.grants.count() == 1


def test_every_change_of_rights_is_in_the_audit_log_without_names(admin):
    user = create_staff(email="erika@example.org", password="x", actor=admin, name="Erika")
    grant = grant_role(user=user, role=Grant.Role.EDITOR, newsletter=SPORT, actor=admin)
    revoke_role(grant=grant, actor=admin)
    set_active(user=user, is_active=False, actor=admin)
    set_active(user=user, is_active=True, actor=admin)

    entries = AuditEntry.objects.order_by("pk")
    assert [entry.action for entry in entries] == [
        "user.created",
        "role.granted",
        "role.revoked",
        "user.deactivated",
        "user.activated",
    ]
    assert {entry.actor for entry in entries} == {str(admin)}
    assert not any(b"rika" in bytes(entry.entry) for entry in entries)


@pytest.fixture
def token(staff):
    user = staff("publisher")
    return create_token(
        user=user,
        name="CMS",
        scopes=["broadcast.write", "person.read"],
        newsletters=[SPORT],
        actor=Actor.staff(user),
    )


def test_a_token_is_shown_once_and_kept_as_a_hash(token):
    row, text = token

    stored = ApiToken.objects.get(pk=row.pk)
    assert authenticate_token(text) == stored
    assert text.startswith(stored.prefix)
    assert len(text) > 43
    assert text.encode() not in bytes(stored.digest)
    kept = " ".join(str(value) for value in ApiToken.objects.values_list().get())
    assert text not in kept
    assert stored.prefix in kept


def test_a_token_is_never_mightier_than_its_owner_or_its_limits(token):
    actor = Actor.token(token[0])

    assert can(actor, "broadcast.write", SPORT)
    assert not can(actor, "broadcast.write", CULTURE)
    assert not can(actor, "broadcast.send", SPORT)  # its owner may, the token was not made for it
    assert not can(actor, "person.read")  # the token says so, its owner may not


def test_a_token_for_some_newsletters_has_no_right_over_the_house(staff):
    user = staff("dpo")
    limited, _ = create_token(
        user=user, name="x", scopes=["person.read"], newsletters=[SPORT], actor=Actor.staff(user)
    )
    free, _ = create_token(user=user, name="x", scopes=["person.read"], actor=Actor.staff(user))

    assert not can(Actor.token(limited), "person.read")
    assert can(Actor.token(free), "person.read")


@pytest.mark.parametrize("end", ["revoked", "expired", "owner left", "owner lost the role"])
def test_a_token_ends_with_its_term_or_its_owner(token, admin, end, time_machine):
    row, text = token
    assert authenticate_token(text) is not None
    assert can(Actor.token(row), "broadcast.write", SPORT)

    if end == "revoked":
        revoke_token(token=row, actor=admin)
    elif end == "expired":
        time_machine.move_to(row.expires_at + timedelta(seconds=1))
    elif end == "owner left":
        set_active(user=row.user, is_active=False, actor=admin)
    else:
        revoke_role(grant=row.user.grants.get(), actor=admin)

    assert not can(Actor.token(row), "broadcast.write", SPORT)
    assert (authenticate_token(text) is None) == (end != "owner lost the role")


def test_a_wrong_token_is_refused_without_a_query(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert authenticate_token("Bearer nonsense") is None
    assert authenticate_token("jw_" + "A" * 43) is None


def test_last_use_is_written_once_a_minute(token, time_machine):
    row, text = token
    start = timezone.now()

    seen = []
    for seconds in (0, 30, 59, 61, 90):
        time_machine.move_to(start + timedelta(seconds=seconds), tick=False)
        authenticate_token(text)
        row.refresh_from_db()
        seen.append(round((row.last_used_at - start).total_seconds()))

    assert seen == [0, 0, 0, 61, 61]


@pytest.mark.parametrize(
    "changes",
    [
        {"scopes": ["everything"]},
        {"scopes": []},
        {"expires_at": timezone.now() + timedelta(days=366)},
    ],
)
def test_a_token_without_limits_is_refused(staff, changes):
    user = staff("editor")
    values = {"user": user, "name": "x", "scopes": ["inbox.read"], "actor": Actor.staff(user)}

    with pytest.raises(TokenRefused):
        create_token(**{**values, **changes})

    assert ApiToken.objects.count() == 0


def test_actors_have_one_name_in_the_log():
    ref = UUID(int=7)

    assert str(Actor("staff", ref)) == f"staff:{ref}"
    assert str(Actor.subscriber(ref)) == f"subscriber:{ref}"
    assert str(Actor.system("retention")) == "system:retention"
    assert Actor("staff", ref) == Actor("staff", ref)
