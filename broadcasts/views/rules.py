"""What an administrator chooses: trial batches of a newsletter, doubts of a channel."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from broadcasts import actions
from broadcasts.choice_forms import PolicyForm, RulesForm
from broadcasts.errors import ReasonMissing
from broadcasts.models import DoubtPolicy, SendingRules
from broadcasts.views.page import newsletter_page, page
from broadcasts.words import refusal
from messengers.models import Channel
from privacy.access import actor_of, step_up
from subscriptions.models import Newsletter

MANAGE, CHANNELS = "newsletter.manage", "channel.manage"


@newsletter_page(MANAGE, "GET", "HEAD", "POST")
def rules(request: HttpRequest, newsletter: Newsletter) -> HttpResponse:
    """Trial batch and cap: how careful this newsletter's broadcasts are."""
    form = RulesForm(request.POST or None, instance=SendingRules.of(newsletter))
    if request.method == "POST" and form.is_valid():
        actions.change_rules(newsletter=newsletter, actor=actor_of(request), **form.cleaned_data)
        messages.success(request, _("Saved. It holds for broadcasts that start from now on."))
        return redirect("newsletter_rules", pk=newsletter.pk)
    context = {"form": form, "newsletter": newsletter}
    return render(request, "broadcasts/rules.html", context)


@page(CHANNELS, "GET", "HEAD", "POST")
@step_up
def doubt_policy(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """What happens to doubts on a channel; who chose what before, and why."""
    channel = get_object_or_404(Channel, pk=pk)
    form = PolicyForm(request.POST or None, initial={"policy": channel.on_doubt})
    if request.method == "POST" and form.is_valid():
        try:
            actions.choose_on_doubt(channel=channel, actor=actor_of(request), **form.cleaned_data)
        except ReasonMissing as error:
            form.add_error("reason", refusal(error))
        else:
            messages.success(request, _("Written down, with your reason."))
            return redirect("channel_doubts", pk=channel.pk)
    before = DoubtPolicy.objects.filter(channel=channel).select_related("chosen_by")
    context = {"form": form, "channel": channel, "before": before}
    return render(request, "broadcasts/doubt_policy.html", context)
