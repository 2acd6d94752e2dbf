"""One handler for each intent."""

from collections.abc import Iterable

from django.utils import translation
from django.utils.formats import date_format

from messengers.contract import Button
from privacy.access import Actor
from privacy.models import Request
from privacy.requests.actions import open_request
from privacy.requests.delivery import day_of
from privacy.suppression import fingerprint, is_suppressed
from subscriptions import texts
from subscriptions.actions.inbox import keep_reply
from subscriptions.actions.opt_in import (
    confirm_opt_in,
    declare_age,
    decline_opt_in,
    is_reached,
    preferences_link,
    request_opt_in,
)
from subscriptions.actions.start_tokens import Started, redeem_start_token
from subscriptions.actions.topics import toggle_topic
from subscriptions.actions.withdrawal import withdraw
from subscriptions.consent import State
from subscriptions.conversation.incoming import MAX_TEXT_KEPT
from subscriptions.conversation.talk import Handler, Talk
from subscriptions.errors import NotOffered, OptInExpired, OptInGone, TooYoung
from subscriptions.models import ConsentRecord, Newsletter, OptIn, Subscription, Topic
from subscriptions.queries import has_history
from subscriptions.words import Intent
from subscriptions.words.fold import own_words, skeleton

MAX_MENUS = 3  # topic menus at a time, for somebody with many newsletters


def start(talk: Talk) -> None:
    """Somebody wants something: ask which, or ask whether they really do."""
    started = redeem_start_token(talk.reading.token) if talk.reading.token else None
    newsletter = started.newsletter if started else _wanted(talk)
    if newsletter is None:
        _which(talk)
    elif is_reached(talk.address, newsletter):
        about = {"newsletter": newsletter.name}
        talk.say("already_subscribed", about, *talk.buttons("topics"))
    else:
        _request(talk, newsletter, started)


def _request(talk: Talk, newsletter: Newsletter, started: Started | None) -> None:
    if _may_be_forged_for_suppressed(talk, newsletter):
        return
    named = list(Topic.objects.filter(newsletter=newsletter, pk__in=talk.reading.topics))
    try:
        asked = request_opt_in(
            address=talk.address,
            newsletter=newsletter,
            language=started.language if started else talk.language,
            method=talk.incoming.method,
            event_at=talk.incoming.at,
            evidence=talk.incoming.evidence,
            topics=started.topics if started else named,
            source_form=started.source_form if started else None,
            age_reached=started.age_reached if started else False,
        )
    except NotOffered:
        asked = None
    if asked is None and talk.question is None and talk.may("hint"):
        talk.say("try_later")


def _may_be_forged_for_suppressed(talk: Talk, newsletter: Newsletter) -> bool:
    """Whether nobody can tell that the holder of a suppressed address has written: as in a form."""
    if talk.incoming.is_proved:
        return False
    found = fingerprint(talk.channel.kind, talk.incoming.canonical)
    return is_suppressed(found, newsletter.pk)


def _wanted(talk: Talk) -> Newsletter | None:
    named = Newsletter.objects.filter(channels=talk.channel)
    if talk.reading.newsletter:
        return named.filter(pk=talk.reading.newsletter).first()
    return talk.offered[0] if len(talk.offered) == 1 else None


def _which(talk: Talk) -> None:
    """Several newsletters share this channel: the person chooses by name."""
    if not talk.may("question"):
        return
    if not talk.offered:
        talk.say("hint")
        return
    buttons: list[Button] = []
    if not texts.is_mail(talk.channel.kind):
        room = texts.able(talk.channel).buttons_max
        pairs = [
            texts.choice_button(talk.channel, f"name_{n}", one.name, f"start:{one.pk}")
            for n, one in enumerate(talk.offered[:room], start=1)
        ]
        buttons = [button for button, _ in pairs]
    talk.say("which_newsletter", {"newsletters": _names(talk.offered)}, *buttons)


def yes(talk: Talk) -> None:
    """The second step, if there is a first one and this is its answer."""
    question = talk.question
    if question is None or (talk.target and talk.target != question.pk):
        _no_question(talk)
    elif not talk.incoming.is_proved:
        talk.say("use_the_link")
    elif question.age_limit and not question.age_declared:
        declare_age(opt_in=question, method=talk.incoming.method, event_at=talk.incoming.at)
    elif not talk.understood.is_age:  # a second tap on the first button is no consent
        _confirm(talk, question)


def _confirm(talk: Talk, question: OptIn) -> None:
    method = "button" if talk.incoming.payload else "reply"
    try:
        confirm_opt_in(
            opt_in=question,
            method=method,
            event_at=talk.incoming.at,
            evidence=talk.incoming.evidence,
        )
    except (OptInGone, OptInExpired, TooYoung):
        _no_question(talk)


def _no_question(talk: Talk) -> None:
    if talk.may("question"):
        talk.say("already_subscribed" if talk.subscriptions else "no_question")


def no(talk: Talk) -> None:
    """Declined: the request is erased. Without a question, a no is a text like any other."""
    question = talk.question
    if question is None or (talk.target and talk.target != question.pk):
        nothing(talk)
    elif decline_opt_in(opt_in=question):
        _say_declined(talk, question)


def _say_declined(talk: Talk, question: OptIn) -> None:
    newsletter = question.newsletter
    if question.age_limit and not question.age_declared:
        page = texts.page("newsletter", newsletter.slug)
        about = {"age_limit": str(question.age_limit), "page_url": page}
        talk.say("too_young", {"newsletter": newsletter.name, **about})
    else:
        talk.say("declined", {"newsletter": newsletter.name})


def stop(talk: Talk) -> None:
    """Out, at once. The hook has done it already; here it is made sure of, and said once."""
    hint = talk.reading.newsletter
    newsletter = Newsletter.objects.filter(pk=hint).first() if hint else None
    withdraw(
        address=talk.address,
        newsletter=newsletter,
        method=talk.incoming.method,
        event_at=talk.incoming.at,
        evidence=talk.incoming.evidence,
    )
    ended = _changed_by(talk, State.WITHDRAWN)
    if ended:
        talk.say("farewell", {"newsletters": _names(one.newsletter for one in ended)})
        talk.may("farewell")
    elif talk.may("farewell"):
        talk.say("farewell_unknown")


def stop_topic(talk: Talk) -> None:
    """Less, not nothing."""
    topics = list(Topic.objects.filter(pk__in=talk.reading.topics))
    withdraw(
        address=talk.address,
        topic=topics,
        method=talk.incoming.method,
        event_at=talk.incoming.at,
        evidence=talk.incoming.evidence,
    )
    changed = _changed_by(talk, State.RENEWED)
    for one in changed:
        names = [topic.name(one.language) for topic in topics]
        remaining = texts.topic_list(
            one.topics.all(), one.language, of=one.newsletter.topics.count()
        )
        about = {"newsletter": one.newsletter.name, "topics": ", ".join(names)}
        talk.say("farewell_topic", {**about, "remaining": remaining})
    if not changed:
        menu(talk)


def _changed_by(talk: Talk, state: ConsentRecord.State) -> list[Subscription]:
    """What this very message changed, here or inside the hook a moment ago."""
    records = ConsentRecord.objects.filter(
        subject=talk.address.subject, state=state, at=talk.incoming.at
    )
    rows = Subscription.objects.filter(pk__in=records.values("subscription"))
    return list(rows.select_related("newsletter").order_by("newsletter__name"))


def menu(talk: Talk) -> None:
    """THEMEN, and the buttons under it: each tap chooses a topic or leaves it out."""
    if talk.target and not talk.incoming.is_proved:
        talk.say("use_the_link")
        return
    toggled = _toggle(talk)
    shown = [toggled] if toggled else talk.subscriptions[:MAX_MENUS]
    for subscription in shown:
        _show_topics(talk, subscription)
    if not shown and talk.may("question"):
        talk.say("not_subscribed")


def _toggle(talk: Talk) -> Subscription | None:
    if talk.target is None:
        return None
    topic = Topic.objects.filter(pk=talk.target).first()
    for subscription in talk.subscriptions:
        if topic and subscription.newsletter_id == topic.newsletter_id:
            toggle_topic(
                subscription=subscription,
                topic=topic,
                method=talk.incoming.method,
                event_at=talk.incoming.at,
                evidence=talk.incoming.evidence,
            )
            return subscription
    return None


def _show_topics(talk: Talk, subscription: Subscription) -> None:
    language = subscription.language
    buttons, labels = texts.topic_buttons(subscription)
    chosen = texts.topic_list(
        subscription.topics.all(), language, of=subscription.newsletter.topics.count()
    )
    values = texts.newsletter_values(subscription.newsletter, language) | labels
    values |= {"chosen": chosen, "preferences_url": preferences_link(subscription)}
    talk.say("topics", values, *buttons)


def help_(talk: Talk) -> None:
    talk.say("help", None, *talk.buttons(*(["topics", "stop"] if talk.subscriptions else [])))


def access(talk: Talk) -> None:
    _open(talk, Request.Kind.ACCESS, "access_opened")


def erasure(talk: Talk) -> None:
    _open(talk, Request.Kind.ERASURE, "erasure_opened")


def _open(talk: Talk, kind: Request.Kind, name: str) -> None:
    """A request with its clock; the chat itself proves who asks, a bare mail does not.

    Of a stranger nothing is stored, of somebody who was only asked one open question: both are told
    so at once, where they asked, and the request ends with the outcome "no data".
    """
    is_pending = talk.question is not None and not has_history(talk.address)
    subject = talk.address.subject if talk.was_known and not is_pending else None
    actor = Actor.subscriber(talk.address.subject)
    request = open_request(
        subject=subject,
        kind=kind,
        origin=Request.Origin.CHAT,
        channel_id=talk.channel.pk,
        address_id=talk.address.pk if subject else None,
        verified=talk.incoming.is_proved or subject is None,
        received_at=talk.incoming.at,
        actor=actor,
    )
    with translation.override(talk.language):
        values = {"number": request.number, "due": date_format(day_of(request.due_at))}
    if is_pending and talk.question:
        name = _end_pending(talk, kind, talk.question, values)
    if talk.may("question"):
        talk.say(name if subject or is_pending else "nothing_stored", values)


def _end_pending(talk: Talk, kind: Request.Kind, question: OptIn, values: dict[str, str]) -> str:
    """What somebody is told of whom we know an open question alone; to be erased, it goes."""
    if kind == Request.Kind.ERASURE and talk.incoming.is_proved:
        decline_opt_in(opt_in=question)
        return "nothing_stored"
    with translation.override(talk.language):
        values["until"] = date_format(day_of(question.erase_at))
    values["newsletter"] = question.newsletter.name
    values["notice_url"] = texts.page("notice", question.wording.notice_id)
    return "only_pending"


def ask_stop(talk: Talk) -> None:
    """Perhaps a withdrawal: nobody is withdrawn, the editors read it, and we ask."""
    if not talk.subscriptions:
        nothing(talk)
        return
    _keep(talk, asks_stop=True)
    if talk.may("ask_stop"):
        talk.say("ask_stop", None, *talk.buttons("stop", "keep"))


def nothing(talk: Talk) -> None:
    """A text for the editors; at most one automatic answer a day."""
    if talk.understood.is_keep:
        talk.say("kept")
        return
    if talk.incoming.payload or not talk.incoming.text.strip():
        return
    _keep(talk, asks_stop=False)
    if talk.question and _begins_like_a_yes(talk) and talk.may("question"):
        talk.say("answer_clearly", {"newsletter": talk.question.newsletter.name})
    elif talk.may("hint"):
        talk.say("hint")


def _begins_like_a_yes(talk: Talk) -> bool:
    first = skeleton(own_words(talk.incoming.text)).split()[:1]
    return bool(first) and first[0].startswith(("ja", "yes", "ok", "jo"))


def _keep(talk: Talk, *, asks_stop: bool) -> None:
    keep_reply(
        address=talk.address,
        text=talk.incoming.text[:MAX_TEXT_KEPT],
        received_at=talk.incoming.at,
        newsletter=talk.newsletter,
        asks_stop=asks_stop,
    )


def _names(newsletters: Iterable[Newsletter]) -> str:
    return ", ".join(dict.fromkeys(one.name for one in newsletters))


HANDLERS: dict[Intent, Handler] = {
    Intent.START: start,
    Intent.YES: yes,
    Intent.NO: no,
    Intent.STOP: stop,
    Intent.STOP_TOPIC: stop_topic,
    Intent.TOPICS: menu,
    Intent.HELP: help_,
    Intent.ACCESS: access,
    Intent.ERASURE: erasure,
    Intent.ASK_STOP: ask_stop,
    Intent.NONE: nothing,
}
