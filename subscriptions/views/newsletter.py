"""The page of a newsletter: what comes, how often, by whom, and every way to say yes to it."""

from dataclasses import dataclass, replace
from io import BytesIO

import segno
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import translation
from django.views.decorators.http import require_http_methods, require_safe

from messengers.channels import adapter_of
from messengers.models import Channel
from subscriptions.actions.opt_in import ask_by_form
from subscriptions.actions.wordings import current_notice, current_wording
from subscriptions.forms import SignUpForm, topic_name
from subscriptions.markup import wording_html
from subscriptions.models import Newsletter
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
    form: SignUpForm | None = None
    wording: str = ""

    @property
    def is_form(self) -> bool:
        return is_mail(self.channel.kind)


@public
@require_http_methods(["GET", "HEAD", "POST"])
def newsletter(request: HttpRequest, slug: str) -> HttpResponse:
    found = get_object_or_404(Newsletter, slug=slug, is_public=True)
    if asked_too_often(request):
        return try_later(request)
    ways = ways_of(found)
    posted = _posted(request, found, ways) if request.method == "POST" else None
    if posted and posted.is_done:
        return redirect(f"{request.path}asked/?lang={translation.get_language()}")
    language = translation.get_language() or "de"
    return show(
        request,
        "newsletter",
        newsletter=found,
        what=found.what(language),
        frequency=found.frequency(language),
        topic_names=[topic_name(topic) for topic in found.topics.all()],
        notice=current_notice(found, language),
        chats=[way for way in ways if not way.is_form],
        forms=[_with_form(found, way, posted) for way in ways if way.is_form],
    )


@dataclass(frozen=True)
class Posted:
    """A form that was sent: to which channel, and whether it asked or only shows its errors."""

    channel: Channel
    form: SignUpForm
    is_done: bool


def _posted(request: HttpRequest, newsletter: Newsletter, ways: list[Way]) -> Posted:
    wanted = request.POST.get("channel")
    channel = next((w.channel for w in ways if str(w.channel.pk) == wanted and w.is_form), None)
    if channel is None:
        raise Http404
    form = SignUpForm(request.POST, newsletter=newsletter, channel=channel)
    if form.is_valid():
        ask_by_form(
            newsletter=newsletter,
            channel=channel,
            identifier=form.cleaned_data["address"],
            language=form.cleaned_data["language"],
            topics=list(form.cleaned_data["topics"]),
        )
    return Posted(channel, form, form.is_valid())


def _with_form(newsletter: Newsletter, way: Way, posted: Posted | None) -> Way:
    language = translation.get_language() or "de"
    wording = current_wording(newsletter, language, way.channel.kind)
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
    picture = BytesIO()
    code = segno.make(link, error="m", micro=False)
    code.save(picture, kind="svg", xmldecl=False, scale=QR_SCALE, border=2, light="#fff")
    return HttpResponse(picture.getvalue(), content_type="image/svg+xml")


def start_word(newsletter: Newsletter, channel: Channel) -> str:
    """What to write: the plain word, or with a name where several share the channel."""
    shared = Newsletter.objects.filter(channels=channel).exclude(pk=newsletter.pk).exists()
    return f"START {newsletter.name}" if shared else "START"
