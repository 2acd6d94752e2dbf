"""What people are told and what they may write back: topics, words in the chat, texts."""

from difflib import unified_diff
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from messengers.placeholders import PlaceholderErrors
from messengers.registry import ADAPTERS
from privacy.access import actor_of, can, require, staff_page
from subscriptions.actions import (
    add_keyword,
    add_topic,
    default_notice,
    default_template,
    remove_keyword,
    remove_topic,
    submit_text,
)
from subscriptions.actions.renaming import change_topic
from subscriptions.actions.wordings import (
    checked_wording,
    current_notice,
    current_wording,
    missing_in_notice,
)
from subscriptions.desk_views.newsletters import FORM, MANAGE, READ, page
from subscriptions.errors import KeywordRefused, WordingRefused
from subscriptions.forms import KeywordForm, NewTopicForm, TextForm, TopicForm
from subscriptions.lint import wording_findings
from subscriptions.markup import to_html, wording_html
from subscriptions.models import LANGUAGES, Keyword, Newsletter, Notice, TextProposal, Wording
from subscriptions.queries import unrestricted
from subscriptions.texts import fill, newsletter_values
from subscriptions.texts import page as page_address
from subscriptions.words.vocabulary import DEFAULTS, Intent

NOTICE = "notice"
LANGUAGE_NAMES = dict(LANGUAGES)


@staff_page(READ, scope_from="newsletter_id")
@require_http_methods(FORM)
def topics(request: HttpRequest, newsletter_id: UUID) -> HttpResponse:
    found = get_object_or_404(Newsletter, pk=newsletter_id)
    form = NewTopicForm(request.POST or None, newsletter=found)
    if request.method == "POST" and _may(request, found) and form.is_valid():
        add_topic(newsletter=found, **form.names, actor=actor_of(request))
        messages.success(request, _("The topic has been added."))
        return redirect("newsletter_topics", found.pk)
    rows = found.topics.annotate(
        chosen=Count(
            "subscriptions",
            filter=Q(subscriptions__status="confirmed") & unrestricted("subscriptions__subscriber"),
        )
    ).order_by("position", "slug")
    shown = [{"it": one, "form": TopicForm(instance=one, prefix=one.slug)} for one in rows]
    return page(request, "topics", found, rows=shown, form=form)


@staff_page(MANAGE, scope_from="newsletter_id")
@require_POST
def topic(request: HttpRequest, newsletter_id: UUID, topic_id: UUID) -> HttpResponse:
    found = get_object_or_404(Newsletter, pk=newsletter_id)
    one = get_object_or_404(found.topics, pk=topic_id)
    form = TopicForm(request.POST, instance=one, prefix=one.slug)
    if "drop" in request.POST:
        remove_topic(topic=one, actor=actor_of(request))
        messages.success(request, _("The topic is gone."))
    elif form.is_valid():
        change_topic(topic=one, **form.cleaned_data, actor=actor_of(request))
        messages.success(request, _("Saved."))
    else:
        messages.error(request, _("A topic needs a name in both languages."))
    return redirect("newsletter_topics", found.pk)


@staff_page(READ, scope_from="newsletter_id")
@require_http_methods(FORM)
def keywords(request: HttpRequest, newsletter_id: UUID) -> HttpResponse:
    found = get_object_or_404(Newsletter, pk=newsletter_id)
    form = KeywordForm(request.POST or None)
    if request.method == "POST" and _may(request, found) and form.is_valid():
        try:
            add_keyword(newsletter=found, **form.cleaned_data, actor=actor_of(request))
        except KeywordRefused as refused:
            form.add_error("word", str(refused))
        else:
            messages.success(request, _("The word has been added."))
            return redirect("newsletter_keywords", found.pk)
    rows = Keyword.objects.filter(Q(newsletter=found) | Q(newsletter=None))
    return page(
        request,
        "keywords",
        found,
        rows=rows.order_by("intent", "language", "word"),
        form=form,
        defaults=_defaults(),
    )


def _defaults() -> list[tuple[str, list[str]]]:
    """The words that always work, by meaning, both languages together."""
    return [
        (
            str(label),
            [w for code, _name in LANGUAGES for w in DEFAULTS.get((Intent(intent), code), ())],
        )
        for intent, label in Keyword.Intent.choices
    ]


@staff_page(MANAGE, scope_from="newsletter_id")
@require_POST
def drop_keyword(request: HttpRequest, newsletter_id: UUID, keyword_id: int) -> HttpResponse:
    one = get_object_or_404(Keyword, pk=keyword_id, newsletter=newsletter_id)
    remove_keyword(keyword=one, actor=actor_of(request))
    messages.success(request, _("The word is gone."))
    return redirect("newsletter_keywords", newsletter_id)


@staff_page(READ, scope_from="newsletter_id")
@require_http_methods(["GET", "HEAD"])
def texts(request: HttpRequest, newsletter_id: UUID) -> HttpResponse:
    """All texts of a newsletter: the notice and one wording per kind of messenger and language."""
    found = get_object_or_404(Newsletter, pk=newsletter_id)
    newest: dict[tuple[str, str], Notice | Wording] = {}
    for notice in found.notices.order_by("published_at"):
        newest[NOTICE, notice.language] = notice
    for wording in found.wordings.order_by("published_at"):
        newest[wording.channel_kind, wording.language] = wording
    kinds = [NOTICE, *sorted({channel.kind for channel in found.channels.all()})]
    rows = [
        {
            "path": reverse("newsletter_text", args=[found.pk, kind, language]),
            "label": label_of(kind),
            "language": name,
            "it": newest.get((kind, language)),
        }
        for kind in kinds
        for language, name in LANGUAGES
    ]
    return page(request, "texts", found, rows=rows)


def label_of(kind: str) -> str:
    if kind == NOTICE:
        return _("Privacy notice")
    return _("Confirmation on %(messenger)s") % {"messenger": ADAPTERS[kind].label}


@staff_page(READ, scope_from="newsletter_id")
@require_http_methods(FORM)
def text(request: HttpRequest, newsletter_id: UUID, kind: str, language: str) -> HttpResponse:
    """Write, preview and publish one text."""
    found = get_object_or_404(Newsletter, pk=newsletter_id)
    if language not in LANGUAGE_NAMES or kind not in {NOTICE, *ADAPTERS}:
        raise Http404
    form = TextForm(request.POST or None, initial={"text": _template(found, kind, language)})
    problems: list[str] = []
    if "publish" in request.POST and _may(request, found) and form.is_valid():
        problems = _publish(request, found, kind, language, form.cleaned_data["text"])
        if not problems:
            return redirect("newsletter_text", found.pk, kind, language)
    written = str(form.data.get("text", "") if form.is_bound else form.initial["text"])
    shown: dict[str, Any]
    if kind == NOTICE:
        shown = {"html": to_html(written)}
    else:
        shown = {"preview": _as_sent(written, found, kind, language)}
    return page(
        request,
        "text",
        found,
        form=form,
        label=label_of(kind),
        language_name=LANGUAGE_NAMES[language],
        problems=problems or _lacking(found, kind, language, written),
        earlier=_versions(found, kind, language),
        waiting=_waiting(found, kind, language),
        hint="" if kind == NOTICE else PLACEHOLDERS,
        **shown,
    )


def _as_sent(written: str, newsletter: Newsletter, kind: str, language: str) -> str:
    """A wording with the newsletter's facts in it; one that cannot be read yet, as it stands."""
    notice = current_notice(newsletter, language)
    values = newsletter_values(newsletter, language) | {
        "channel": str(ADAPTERS[kind].label),
        "notice_url": page_address("notice", notice.pk) if notice else "…",
        "confirm_url": page_address("confirm", "…"),
    }
    try:
        return wording_html(fill(written, values))
    except (PlaceholderErrors, KeyError):
        return written


PLACEHOLDERS = gettext_lazy(
    "The facts come by themselves: {newsletter} {publisher} {what} {frequency} {channel} "
    "{notice_url} {imprint_url}, in e-mails also {confirm_url}."
)


def _template(newsletter: Newsletter, kind: str, language: str) -> str:
    """Where writing begins: the notice in force, or the default of this kind of text."""
    if kind != NOTICE:
        return default_template(kind, language)
    notice = current_notice(newsletter, language)
    return notice.text if notice else default_notice(newsletter, language, _channels(newsletter))


def _channels(newsletter: Newsletter) -> list[Any]:
    return list(newsletter.channels.all())


def _publish(
    request: HttpRequest, newsletter: Newsletter, kind: str, language: str, text: str
) -> list[str]:
    """Publish or propose, and say which; the list of problems, empty if it worked."""
    try:
        waits = submit_text(
            newsletter=newsletter, language=language, kind=kind, text=text, actor=actor_of(request)
        )
    except WordingRefused as refused:
        return [finding.explain() for finding in refused.findings]
    if waits:
        messages.success(request, _("Now somebody else has to approve it."))
    else:
        messages.success(request, _("Published. From now on people are shown this version."))
    return []


def _lacking(newsletter: Newsletter, kind: str, language: str, written: str) -> list[str]:
    """What the text in the form lacks, told before anybody tries to publish it."""
    if kind == NOTICE:
        found = missing_in_notice(newsletter, language, written)
    else:
        found = wording_findings(written, language, kind)
    return [finding.explain() for finding in found]


def _waiting(newsletter: Newsletter, kind: str, language: str) -> TextProposal | None:
    rows = newsletter.proposals.filter(
        kind=kind, language=language, status=TextProposal.Status.WAITING
    )
    return rows.select_related("proposed_by").order_by("-proposed_at").first()


@staff_page(READ)
@require_safe
def proposal(request: HttpRequest, proposal_id: UUID) -> HttpResponse:
    """A text that waits for a second person, beside the one in force."""
    rows = TextProposal.objects.select_related("newsletter", "proposed_by", "decided_by")
    found = get_object_or_404(rows, pk=proposal_id)
    newsletter = found.newsletter
    require(actor_of(request), READ, newsletter.pk)
    now: Notice | Wording | None
    html: str
    if found.kind == NOTICE:
        now = current_notice(newsletter, found.language)
        html = to_html(found.text)
    else:
        now = current_wording(newsletter, found.language, found.kind)
        html = _as_sent(found.text, newsletter, found.kind, found.language)
    return page(
        request,
        "proposal",
        newsletter,
        proposal=found,
        label=label_of(found.kind),
        language_name=LANGUAGE_NAMES[found.language],
        html=html,
        difference=difference(now.text if now else "", _shown_text(found)),
    )


def _shown_text(found: TextProposal) -> str:
    """The proposed text as it would be stored, so that it can be compared."""
    if found.kind == NOTICE:
        return found.text
    try:
        return checked_wording(found.newsletter, found.language, found.kind, found.text)[0]
    except WordingRefused:
        return found.text


def difference(before: str, after: str) -> list[tuple[str, str]]:
    """Line by line: ("-" gone, "+" new, " " as before), for the second person."""
    lines = unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm="")
    return [(line[:1], line[1:]) for line in list(lines)[2:] if not line.startswith("@@")]


def _versions(newsletter: Newsletter, kind: str, language: str) -> list[Notice | Wording]:
    if kind == NOTICE:
        found: Any = newsletter.notices.filter(language=language)
    else:
        found = newsletter.wordings.filter(language=language, channel_kind=kind)
    return list(found.select_related("published_by").order_by("-published_at")[:10])


def _may(request: HttpRequest, newsletter: Newsletter) -> bool:
    return can(actor_of(request), MANAGE, newsletter.pk)
