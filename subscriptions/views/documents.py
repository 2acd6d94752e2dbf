"""What people may read again: the notice they were shown, and the receipt for what they said."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from subscriptions.markup import to_html, wording_html
from subscriptions.models import ConsentRecord, Newsletter, Notice
from subscriptions.proof import receipts, sign
from subscriptions.proof.desk import METHODS
from subscriptions.proof.facts import Facts, facts_of
from subscriptions.views.edge import DeadLink, dead_link, follow, public, show, speak

BASES = {
    "consent": _("Your consent, Art. 6(1)(a) GDPR"),
    "existing_customer_7_3": _("Existing customer, § 7(3) UWG, Art. 6(1)(f) GDPR"),
}
YOU = {
    "requested": _("You asked for it"),
    "given": _("You said yes"),
    "renewed": _("You said yes again"),
    "refused": _("You said no"),
    "withdrawn": _("You ended it"),
    "objected": _("You objected"),
    "expired": _("It ended because it was not used"),
    "invalidated": _("It was declared invalid"),
}
CUSTOMER = _("§ 7(3) UWG, existing customer")
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
        record = _record(token)
    except DeadLink as dead:
        return dead_link(request, dead, "receipt")
    facts = facts_of(record)
    if facts.wording:
        speak(request, facts.wording.language)
    return show(
        request,
        "receipt",
        newsletter=get_object_or_404(Newsletter, pk=record.newsletter),
        facts=facts,
        record=record,
        lines=_lines(facts),
        state=CUSTOMER if facts.is_customer else YOU.get(record.state, record.state),
        method=METHODS.get(facts.entry.get("method", ""), ""),
        badge=_badge(facts),
        html=wording_html(facts.wording.text) if facts.wording else "",
        token=token,
    )


@public
@require_safe
def signed_receipt(request: HttpRequest, token: str) -> HttpResponse:
    """The same as a signed file (JWS) to keep; each download is the same file."""
    try:
        record = _record(token)
    except DeadLink as dead:
        return dead_link(request, dead, "receipt")
    response = HttpResponse(receipts.receipt(record), content_type=receipts.CONTENT_TYPE)
    name = f"consent-receipt-{record.pk}.jws"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@public
@require_safe
def keys(request: HttpRequest) -> HttpResponse:
    """The public keys that check receipts and proofs (RFC 7517)."""
    return JsonResponse(sign.public_keys(), content_type="application/jwk-set+json")


def _badge(facts: Facts) -> str:
    state = ConsentRecord.State(facts.record.state)
    return "badge-info" if facts.is_customer else BADGES.get(state, "badge-off")


def _lines(facts: Facts) -> list[tuple[str, str]]:
    """The rest of the receipt in words: the fields that the law asks for."""
    newsletter, channel, owner = facts.newsletter, facts.channel, facts.controller
    language = facts.language
    where = [channel.name, channel.provider_name, channel.provider_country] if channel else []
    what = [newsletter.what(language), newsletter.frequency(language)] if newsletter else []
    found = [
        (gettext("What comes, how often"), ", ".join(filter(None, what))),
        (gettext("Channel, its provider, country"), ", ".join(filter(None, where))),
        (gettext("Legal basis"), str(BASES[facts.legal_basis])),
        (
            gettext("How long"),
            gettext("Until you end it; the proof for three more years, to the end of the year."),
        ),
        (gettext("Given for the consent"), str(facts.coupled_offer.get("text", ""))),
        (gettext("Age you said to have reached"), str(facts.age_limit or "")),
        (gettext("Your rights"), gettext("Access, correction, erasure, restriction, objection.")),
        (gettext("Data-protection officer"), owner.dpo_contact if owner else ""),
        (gettext("Where you can complain"), owner.authority if owner else ""),
    ]
    return [(name, value) for name, value in found if value]


def _record(token: str) -> ConsentRecord:
    """The record behind a link; raises `DeadLink`, or 404 if it is gone."""
    return get_object_or_404(ConsentRecord, pk=follow("receipt", token))
