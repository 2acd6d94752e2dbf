"""What people may read again: the notice they were shown, and the receipt for what they said."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from subscriptions.markup import to_html, wording_html
from subscriptions.models import ConsentRecord, Newsletter, Notice, Wording
from subscriptions.views.edge import DeadLink, dead_link, follow, public, show, speak

BADGES = {
    ConsentRecord.State.REQUESTED: "badge-wait",
    ConsentRecord.State.GIVEN: "badge-good",
    ConsentRecord.State.RENEWED: "badge-good",
}


@public
@require_safe
def notice(request: HttpRequest, notice_id: str) -> HttpResponse:
    """One version of a privacy notice. Old versions stay: people agreed to them."""
    found = get_object_or_404(Notice.objects.select_related("newsletter"), pk=notice_id)
    speak(request, found.language)
    current = (
        Notice.objects.filter(newsletter=found.newsletter_id, language=found.language)
        .order_by("-published_at")
        .first()
    )
    return show(
        request,
        "notice",
        newsletter=found.newsletter,
        notice=found,
        current=current,
        is_current=current == found,
        html=to_html(found.text),
    )


@public
@require_safe
def receipt(request: HttpRequest, token: str) -> HttpResponse:
    """What one consent record says; nothing in it names the person."""
    try:
        ref = follow("receipt", token)
    except DeadLink as dead:
        return dead_link(request, dead, "receipt")
    record = ConsentRecord.objects.filter(pk=ref).first()
    if record is None:
        raise Http404
    wording = Wording.objects.filter(pk=record.wording).first()
    if wording:
        speak(request, wording.language)
    return show(
        request,
        "receipt",
        newsletter=get_object_or_404(Newsletter, pk=record.newsletter),
        record=record,
        leaf=bytes(record.leaf).hex(),
        state=record.get_state_display(),
        badge=BADGES.get(ConsentRecord.State(record.state), "badge-off"),
        wording=wording,
        html=wording_html(wording.text) if wording else "",
    )
