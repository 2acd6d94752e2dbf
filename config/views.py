"""The start page: it leads everybody to where they work, and a stranger to what is offered."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.views.decorators.http import require_safe

from config.context import sections_for
from privacy.models import Controller
from subscriptions.models import Newsletter


@require_safe
def start(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return _for_strangers(request)
    sections = sections_for(request)
    if sections:
        return redirect(sections[0].path)
    return render(request, "config/no_rights.html")


def _for_strangers(request: HttpRequest) -> HttpResponse:
    language = request.GET.get("lang")
    if language in ("de", "en"):
        translation.activate(language)
    spoken = translation.get_language() or "de"
    newsletters = [
        {
            "it": newsletter,
            "what": newsletter.what(spoken),
            "frequency": newsletter.frequency(spoken),
        }
        for newsletter in Newsletter.objects.filter(is_public=True).order_by("name")
    ]
    context = {"newsletters": newsletters, "controller": Controller.objects.first()}
    return render(request, "config/start.html", context)
