"""Who works here and with which rights; and the keys of programs. For administrators."""

import secrets
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from config.staff_forms import GrantForm, StaffForm, TokenForm
from privacy.access import actor_of, can, require_staff, staff_page, step_up
from privacy.access.actions import (
    create_staff,
    create_token,
    grant_role,
    revoke_role,
    revoke_token,
    set_active,
)
from privacy.models import ApiToken, Grant, User
from subscriptions.models import Newsletter

FORM = ["GET", "HEAD", "POST"]
PASSWORD_BYTES = 12


@staff_page("user.manage")
@require_safe
def staff(request: HttpRequest) -> HttpResponse:
    people = User.objects.prefetch_related("grants").order_by("-is_active", "name", "email")
    names = dict(Newsletter.objects.values_list("pk", "name"))
    rows = [{"it": one, "roles": _roles(one, names)} for one in people]
    return render(request, "config/staff.html", {"rows": rows})


def _roles(user: User, names: dict[UUID, str]) -> list[dict[str, object]]:
    """A person's roles in words; a newsletter that is gone shows as its id."""
    return [
        {
            "it": grant,
            "label": grant.get_role_display(),
            "where": names.get(grant.newsletter, grant.newsletter) if grant.newsletter else "",
        }
        for grant in sorted(user.grants.all(), key=lambda one: (one.role, str(one.newsletter)))
    ]


@staff_page("user.manage")
@step_up
@never_cache
@require_http_methods(FORM)
def invite(request: HttpRequest) -> HttpResponse:
    """A new member of staff. The first password is shown here, once, and nowhere else."""
    form = StaffForm(request.POST or None)
    if not form.is_valid():
        return render(request, "config/staff_new.html", {"form": form})
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    user = create_staff(**form.cleaned_data, password=password, actor=actor_of(request))
    return render(request, "config/staff_created.html", {"person": user, "password": password})


@staff_page("user.manage")
@require_safe
def person(request: HttpRequest, user_id: UUID) -> HttpResponse:
    return _person_page(request, get_object_or_404(User, pk=user_id), GrantForm())


def _person_page(
    request: HttpRequest, user: User, form: GrantForm, status: int = 200
) -> HttpResponse:
    names = dict(Newsletter.objects.values_list("pk", "name"))
    context = {
        "person": user,
        "roles": _roles(user, names),
        "form": form,
        "is_self": user.pk == request.user.pk,
    }
    return render(request, "config/staff_person.html", context, status=status)


@staff_page("user.manage")
@step_up
@require_POST
def grant(request: HttpRequest, user_id: UUID) -> HttpResponse:
    user = get_object_or_404(User, pk=user_id)
    form = GrantForm(request.POST)
    if not form.is_valid():
        return _person_page(request, user, form, status=422)
    if user.pk == request.user.pk:
        messages.error(request, _("Nobody gives a role to themselves: ask another administrator."))
        return redirect("staff_person", user_id)
    role = Grant.Role(form.cleaned_data["role"])
    grant_role(user=user, role=role, newsletter=form.scope, actor=actor_of(request))
    messages.success(request, _("The role has been given. It counts from the next page on."))
    return redirect("staff_person", user_id)


@staff_page("user.manage")
@step_up
@require_POST
def revoke(request: HttpRequest, user_id: UUID, grant_id: int) -> HttpResponse:
    found = get_object_or_404(Grant, pk=grant_id, user=user_id)
    last = found.role == Grant.Role.ADMINISTRATOR and not _other_administrators(user_id)
    if last:
        messages.error(request, _("This is the last administrator. Name another one first."))
    else:
        revoke_role(grant=found, actor=actor_of(request))
        messages.success(request, _("The role has been taken away."))
    return redirect("staff_person", user_id)


@staff_page("user.manage")
@step_up
@require_POST
def activate(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Let somebody in or keep them out. Nobody locks themselves out, or the last administrator."""
    user = get_object_or_404(User, pk=user_id)
    is_active = request.POST.get("is_active") == "true"
    if not is_active and (user.pk == request.user.pk or not _other_administrators(user_id)):
        messages.error(request, _("You cannot lock out yourself or the last administrator."))
    else:
        set_active(user=user, is_active=is_active, actor=actor_of(request))
        messages.success(request, _("Saved. Open sessions and tokens have ended."))
    return redirect("staff_person", user_id)


def _other_administrators(user_id: UUID) -> bool:
    grants = Grant.objects.filter(
        role=Grant.Role.ADMINISTRATOR, newsletter=None, user__is_active=True
    )
    return grants.exclude(user=user_id).exists()


@require_staff
@require_safe
def tokens(request: HttpRequest) -> HttpResponse:
    """One's own tokens; an administrator sees all."""
    actor = actor_of(request)
    rows = ApiToken.objects.select_related("user").order_by("-created_at")
    if not can(actor, "token.manage"):
        rows = rows.filter(user=actor.ref)
    return render(
        request,
        "config/tokens.html",
        {"rows": rows, "now": timezone.now(), "can_manage_staff": can(actor, "user.manage")},
    )


@require_staff
@step_up
@never_cache
@require_http_methods(FORM)
def new_token(request: HttpRequest) -> HttpResponse:
    """Make a token for oneself. Its text is on this one page and never again."""
    assert isinstance(request.user, User)
    actor = actor_of(request)
    form = TokenForm(request.POST or None, owner=actor)
    if not form.is_valid():
        return render(request, "config/token_new.html", {"form": form})
    token, text = create_token(
        user=request.user,
        name=form.cleaned_data["name"],
        scopes=form.cleaned_data["scopes"],
        newsletters=[newsletter.pk for newsletter in form.cleaned_data["newsletters"]],
        expires_at=form.expires_at,
        actor=actor,
    )
    return render(request, "config/token_created.html", {"token": token, "text": text})


@require_staff
@require_POST
def end_token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    actor = actor_of(request)
    rows = ApiToken.objects.select_related("user")
    if not can(actor, "token.manage"):
        rows = rows.filter(user=actor.ref)
    revoke_token(token=get_object_or_404(rows, pk=token_id), actor=actor)
    messages.success(request, _("The token no longer works."))
    return redirect("staff_tokens")
