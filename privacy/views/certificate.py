"""The certificate of an erasure, for the DPO: as a page and as a PDF."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from privacy.models import Certificate
from privacy.requests.erasure import certificate as certificates
from privacy.views.common import page, show
from privacy.views.public import attachment


@page("request.work")
def certificate(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = get_object_or_404(Certificate.objects.select_related("request"), pk=pk)
    context = {"certificate": found, "document": certificates.document(found)}
    return show(request, "certificate", "requests", context)


@page("request.work")
def certificate_pdf(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = get_object_or_404(Certificate.objects.select_related("request"), pk=pk)
    return attachment(certificates.as_pdf(found), "application/pdf", f"{found.request.number}.pdf")


@page("request.work")
def certificate_bytes(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The exact bytes that the SHA-256 is of."""
    found = get_object_or_404(Certificate.objects.select_related("request"), pk=pk)
    name = f"{found.request.number}.json"
    return attachment(bytes(found.body), "application/json", name)
