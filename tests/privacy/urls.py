"""All pages there are, and some for the tests of the gate: of the staff, by role, with proof."""

from django.http import HttpResponse
from django.urls import path

from config.urls import urlpatterns as pages
from privacy.access import actor_of, require_staff, staff_page, step_up


@require_staff
def staff(request):
    return HttpResponse(f"hello {actor_of(request)}")


@staff_page("broadcast.send", scope_from="newsletter")
def newsletter(request, newsletter):
    return HttpResponse("may send")


@staff_page("person.export")
@step_up
def export(request):
    return HttpResponse("exported")


def public(request):
    return HttpResponse("for everybody")


urlpatterns = [
    *pages,
    path("gate/staff/", staff, name="gate_staff"),
    path("gate/newsletter/<uuid:newsletter>/", newsletter, name="gate_newsletter"),
    path("gate/export/", export, name="gate_export"),
    path("gate/public/", public, name="gate_public"),
]
