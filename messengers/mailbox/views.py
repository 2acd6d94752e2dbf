"""The demo's mailbox as pages: what people's mail programs would show, and a way to answer."""

from __future__ import annotations

import re
from base64 import b64encode
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from messengers.adapters.email.addresses import own_address
from messengers.channels import account_of
from messengers.mailbox import store
from messengers.mailbox.handover import hand_over, is_taken
from messengers.models import Channel
from messengers.simulator.views import demo_page

MAILS_SHOWN = 50
HEADERS_SHOWN = (
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Feedback-ID",
    "Auto-Submitted",
    "Precedence",
    "Return-Path",
)
# The HTML of a mail is a page of strangers: no script, no request to anybody, styles of its own.
HTML_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self';"
    " base-uri 'none'; form-action 'none';"
    " sandbox allow-popups allow-popups-to-escape-sandbox"
)
_ONE_CLICK = re.compile(r"<(https?://[^>\s]+)>")


class SearchForm(forms.Form):
    """Whose mailbox. Sent by POST, so that no address stands in a URL."""

    rcpt = forms.CharField(label=gettext_lazy("Mail for this address only"), required=False)


class ReplyForm(forms.Form):
    text = forms.CharField(
        label=gettext_lazy("Your answer"), max_length=4000, widget=forms.Textarea({"rows": 4})
    )


@demo_page
@require_http_methods(["GET", "HEAD", "POST"])
def mails(request: HttpRequest) -> HttpResponse:
    """The newest mails, of everybody or of one address."""
    form = SearchForm(request.POST or None)
    rcpt = form.cleaned_data["rcpt"].strip() if form.is_valid() else ""
    found = store.newest(MAILS_SHOWN, rcpt)
    context = {
        "form": form,
        "rcpt": rcpt,
        "mails": [{"mail": mail, "at": _time(mail)} for mail in found],
        "count": store.count(),
        "zone": settings.DISPLAY_TIME_ZONE,
    }
    return render(request, "mailbox/mails.html", context)


@demo_page
@require_GET
def mail(request: HttpRequest, mail_id: str) -> HttpResponse:
    """One mail: text, HTML in a sandboxed frame, headers, an answer."""
    return render(request, "mailbox/mail.html", _shown(_found(mail_id), ReplyForm()))


@demo_page
@require_GET
@xframe_options_sameorigin
def html_part(request: HttpRequest, mail_id: str) -> HttpResponse:
    """The HTML part alone, with a policy of its own; its pictures become part of it."""
    found = _found(mail_id)
    html = found.part("html")
    for content_id, (media_type, data) in found.pictures().items():
        html = html.replace(
            f"cid:{content_id}", f"data:{media_type};base64,{b64encode(data).decode()}"
        )
    response = HttpResponse(html.replace("<head>", '<head><base target="_blank">', 1))
    response.headers["Content-Security-Policy"] = HTML_POLICY
    return response


@demo_page
@require_GET
def source(request: HttpRequest, mail_id: str) -> HttpResponse:
    """The mail as it was received, byte by byte; for reading, never for rendering."""
    raw = store.raw(mail_id)
    if raw is None:
        raise Http404
    response = HttpResponse(raw, content_type="text/plain; charset=utf-8")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@demo_page
@require_POST
def reply(request: HttpRequest, mail_id: str) -> HttpResponse:
    """Answer a mail, by the same way as a real mail server hands it over."""
    found = _found(mail_id)
    form = ReplyForm(request.POST)
    if not form.is_valid():
        return render(request, "mailbox/mail.html", _shown(found, form), status=400)
    if _answer(found, form.cleaned_data["text"]):
        messages.success(request, _("Your answer has been handed over."))
    else:
        messages.error(request, _("The answer was not taken. Is the mail channel set up?"))
    return HttpResponseRedirect(reverse("mailbox-mail", args=[mail_id]))


def _found(mail_id: str) -> store.Mail:
    found = store.mail(mail_id)
    if found is None:
        raise Http404
    return found


def _shown(found: store.Mail, form: ReplyForm) -> dict[str, object]:
    return {
        "mail": found,
        "at": _time(found),
        "zone": settings.DISPLAY_TIME_ZONE,
        "text": found.part("plain"),
        "has_html": bool(found.part("html")),
        "headers": [
            (name, found.message[name]) for name in HEADERS_SHOWN if found.message.get(name)
        ],
        "pictures": len(found.pictures()),
        "one_click": _one_click(found),
        "form": form,
    }


def _one_click(found: store.Mail) -> str:
    """Where the mail program's own "unsubscribe" posts to (RFC 8058), if that is our own house."""
    if not found.message.get("list-unsubscribe-post"):
        return ""
    link = _ONE_CLICK.search(str(found.message.get("list-unsubscribe", "")))
    if not link or urlsplit(link[1])[:2] != urlsplit(settings.JAWORT_ORIGIN)[:2]:
        return ""
    return link[1]


def _time(found: store.Mail) -> datetime:
    return datetime.fromtimestamp(found.at, UTC)


def _answer(found: store.Mail, text: str) -> bool:
    """Build the reply as a mail program would and hand it over to the channel it goes to."""
    to = parseaddr(str(found.message.get("reply-to") or found.sender))[1]
    channel = _channel_for(parseaddr(found.sender)[1])
    if channel is None or not to:
        return False
    quoted = "\n".join(f"> {line}" for line in found.part("plain").splitlines())
    answer = EmailMessage()
    answer["From"] = found.rcpt
    answer["To"] = to
    answer["Subject"] = f"Re: {found.subject}"
    answer["Date"] = formatdate()
    answer["Message-ID"] = make_msgid(domain=found.rcpt.rpartition("@")[2])
    if message_id := found.message.get("message-id"):
        answer["In-Reply-To"] = answer["References"] = str(message_id)
    answer.set_content(f"{text}\n\n{_time(found):%Y-%m-%d %H:%M} {found.sender} wrote:\n{quoted}\n")
    account = account_of(channel)
    outcome = hand_over(
        origin=settings.JAWORT_ORIGIN,
        channel=channel.id,
        secret=account.secrets.get("hook_secret", ""),
        raw=answer.as_bytes(),
        recipient=to,
        sender=found.rcpt,
    )
    return is_taken(outcome)


def _channel_for(address: str) -> Channel | None:
    channels = Channel.objects.filter(kind="email").order_by("created_at", "id")
    return next(
        (
            c
            for c in channels
            if own_address(c.settings.get("from_address", "")).casefold() == address.casefold()
        ),
        None,
    )
