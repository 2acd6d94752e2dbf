"""The page of a newsletter: what comes, how often, by whom, and every way to say yes to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO

import segno
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import translation
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_http_methods, require_safe

from messengers.channels import adapter_of
from messengers.models import Channel
from subscriptions.actions.opt_in import ask_by_form
from subscriptions.actions.start_tokens import issue_start_token
from subscriptions.actions.wordings import current_notice, current_wording
from subscriptions.children import limit_of
from subscriptions.forms import ChoicesForm, SignUpForm, topic_name
from subscriptions.markup import wording_html
from subscriptions.models import Newsletter, SourceForm
from subscriptions.texts import is_mail
from subscriptions.views.edge import asked_too_often, public, show, try_later

QR_SCALE = 6  # pixels per module; the picture scales without loss anyway


@dataclass(frozen=True)
class Way:
    """One messenger on which this newsletter can be had, and how to begin there.

    In a chat the person writes the word first; where we may write first there is a form.
    """

    channel: Channel
    label: str
    word: str
    link: str | None
    form: ChoicesForm | None = None
    wording: str = ""

    @property
    def is_form(self) -> bool:
        return is_mail(self.channel.kind)


@public
@require_http_methods(["GET", "HEAD", "POST"])
def newsletter(request: HttpRequest, slug: str, code: str = "") -> HttpResponse:
    """The page, or with `code` one of its source forms, which says what it promises."""
    found = get_object_or_404(Newsletter, slug=slug, is_public=True)
    form = _source_form(found, code)
    if asked_too_often(request):
        return try_later(request)
    ways = ways_of(found)
    if request.method == "POST" and "start" in request.POST:
        return _start_link(request, found, form, ways)
    posted = _posted(request, found, form, ways) if request.method == "POST" else None
    if posted and posted.is_too_young:
        return _too_young(request, found)
    if posted and posted.is_done:
        page = reverse("newsletter_asked", args=[found.slug])
        return redirect(f"{page}?lang={translation.get_language()}")
    return _page(request, found, form, ways, posted)


def _source_form(newsletter: Newsletter, code: str) -> SourceForm | None:
    if not code:
        return None
    published = SourceForm.objects.filter(status=SourceForm.Status.PUBLISHED)
    return get_object_or_404(published, newsletter=newsletter, code=code)


def _page(
    request: HttpRequest,
    found: Newsletter,
    form: SourceForm | None,
    ways: list[Way],
    posted: Posted | None,
) -> HttpResponse:
    language = translation.get_language() or "de"
    return show(
        request,
        "newsletter",
        newsletter=found,
        what=found.what(language),
        frequency=found.frequency(language),
        topic_names=[topic_name(topic) for topic in found.topics.all()],
        notice=current_notice(found, language),
        source_form=form,
        offer=form.offer(language) if form else "",
        chats=[_with_choices(found, way) for way in ways if not way.is_form],
        forms=[_with_form(found, way, posted) for way in ways if way.is_form],
    )


def _too_young(request: HttpRequest, found: Newsletter) -> HttpResponse:
    """Nothing was stored; the parents may subscribe for themselves."""
    return show(request, "too_young", newsletter=found, limit=limit_of(found))


def _start_link(
    request: HttpRequest, found: Newsletter, source: SourceForm | None, ways: list[Way]
) -> HttpResponse:
    """A link of one's own with the choices of the form: for one use, within two days."""
    chats = [way for way in ways if not way.is_form]
    way = next((one for one in chats if str(one.channel.pk) == request.POST.get("channel")), None)
    if way is None:
        raise Http404
    form = ChoicesForm(request.POST, newsletter=found, channel=way.channel)
    if not form.is_valid():
        return _page(request, found, source, [replace(way, form=form)], None)
    if form.is_too_young:
        return _too_young(request, found)
    token = issue_start_token(
        newsletter=found,
        language=form.cleaned_data["language"],
        topics=list(form.cleaned_data["topics"]),
        source_form=source,
        age_reached=form.age_reached,
    )
    word = f"START-{token}"
    link = adapter_of(way.channel).deep_link(word)
    # Safe: a picture of our own making, and no text of anybody's in it.
    picture = mark_safe(qr_svg(link, is_inline=True).decode()) if link else ""
    return show(request, "start_link", newsletter=found, way=way, word=word, link=link, qr=picture)


@dataclass(frozen=True)
class Posted:
    """A form that was sent: to which channel, and whether it asked or only shows its errors."""

    channel: Channel
    form: SignUpForm
    is_done: bool
    is_too_young: bool = False


def _posted(
    request: HttpRequest, newsletter: Newsletter, source: SourceForm | None, ways: list[Way]
) -> Posted:
    wanted = request.POST.get("channel")
    channel = next((w.channel for w in ways if str(w.channel.pk) == wanted and w.is_form), None)
    if channel is None:
        raise Http404
    form = SignUpForm(request.POST, newsletter=newsletter, channel=channel)
    if form.is_valid() and form.is_too_young:
        return Posted(channel, form, is_done=False, is_too_young=True)
    if form.is_valid():
        ask_by_form(
            newsletter=newsletter,
            channel=channel,
            identifier=form.cleaned_data["address"],
            language=form.cleaned_data["language"],
            topics=list(form.cleaned_data["topics"]),
            source_form=source,
            age_reached=form.age_reached,
        )
    return Posted(channel, form, form.is_valid())


def _with_choices(newsletter: Newsletter, way: Way) -> Way:
    """The form that makes a link of one's own; as it was sent, if it was."""
    form = way.form or ChoicesForm(newsletter=newsletter, channel=way.channel)
    return replace(way, form=form)


def _with_form(newsletter: Newsletter, way: Way, posted: Posted | None) -> Way:
    language = translation.get_language() or "de"
    wording = current_wording(newsletter, language, way.channel.kind)
    form: ChoicesForm
    if posted and posted.channel == way.channel:
        form = posted.form
    else:
        form = SignUpForm(newsletter=newsletter, channel=way.channel)
    return replace(way, form=form, wording=wording_html(wording.text) if wording else "")


def ways_of(newsletter: Newsletter) -> list[Way]:
    """The active messengers of a newsletter."""
    channels = newsletter.channels.filter(status=Channel.Status.ACTIVE).order_by("kind", "name")
    return [_way(newsletter, channel) for channel in channels]


def _way(newsletter: Newsletter, channel: Channel) -> Way:
    adapter = adapter_of(channel)
    word = start_word(newsletter, channel)
    return Way(channel, str(adapter.label), word, adapter.deep_link(word))


@public
@require_safe
def asked(request: HttpRequest, slug: str) -> HttpResponse:
    """The same words for everybody: new, known, or on the suppression list."""
    found = get_object_or_404(Newsletter, slug=slug, is_public=True)
    return show(request, "asked", newsletter=found)


@public
@require_safe
def qr(request: HttpRequest, slug: str, channel: str) -> HttpResponse:
    """The deep link of one messenger as a picture to scan; it holds nothing about anybody."""
    found = get_object_or_404(Newsletter, slug=slug, is_public=True)
    chosen = get_object_or_404(found.channels, pk=channel, status=Channel.Status.ACTIVE)
    link = adapter_of(chosen).deep_link(start_word(found, chosen))
    if link is None:
        raise Http404
    return qr_picture(link)


def qr_picture(link: str) -> HttpResponse:
    return HttpResponse(qr_svg(link), content_type="image/svg+xml")


def qr_svg(link: str, *, is_inline: bool = False) -> bytes:
    """The code as SVG; inside a page it has no size of its own and fills its box."""
    picture = BytesIO()
    code = segno.make(link, error="m", micro=False)
    shape = {"scale": QR_SCALE, "border": 2, "light": "#fff", "omitsize": is_inline}
    code.save(picture, kind="svg", xmldecl=False, svgns=not is_inline, **shape)
    return picture.getvalue()


def start_word(newsletter: Newsletter, channel: Channel) -> str:
    """What to write: the plain word, or with a name where several share the channel."""
    shared = Newsletter.objects.filter(channels=channel).exclude(pk=newsletter.pk).exists()
    return f"START {newsletter.name}" if shared else "START"
