"""Mail scanners and messengers open every link they see: a GET or HEAD changes nothing."""

from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from privacy.models import Grant, User
from privacy.vault import sign_link
from subscriptions.actions import create_form, keep_reply, questions
from subscriptions.actions import opt_in as opt_in_actions
from subscriptions.actions.wordings import publish_defaults
from subscriptions.models import ConsentRecord, Import, OptIn, Segment, TextProposal
from tests.broadcasts.house import SYSTEM, make_channel, make_newsletter, make_staff, subscribe

pytestmark = pytest.mark.django_db
# Sessions move with every visit of the staff; a sign-in writes the time of the sign-in.
MOVING = {"django_session", "privacy_user", "cache"}
ROLES = ("editor", "publisher", "dpo", "administrator")


def everything():
    """A fingerprint of every table of both databases."""
    found = {}
    for alias in ("default", "keystore"):
        with connections[alias].cursor() as cursor:
            for table in connections[alias].introspection.table_names(cursor):
                if table not in MOVING:
                    cursor.execute(
                        "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))"
                        f' FROM "{table}" t'
                    )
                    found[alias, table] = cursor.fetchone()[0]
    return found


@pytest.fixture
def paths(settings, monkeypatch):
    """A living newsroom, and the path of every page of ours in it."""
    settings.JAWORT_DEMO = True
    chat, mail = make_channel(settings={"number": "+4930123456"}), make_channel("email", "Post")
    newsletter = make_newsletter(channels=[chat, mail], is_public=True)
    publish_defaults(newsletter=newsletter, channels=[chat, mail], actor=SYSTEM)
    tokens = []
    make = questions.new_token
    monkeypatch.setattr(questions, "new_token", lambda: tokens.append(make()) or tokens[-1])
    opt_in_actions.ask_by_form(
        newsletter=newsletter, channel=mail, identifier="leser@example.org", language="de"
    )
    one = subscribe(newsletter, chat, 1)
    other = subscribe(newsletter, mail, 2)
    publisher = make_staff("publisher", newsletter)
    reply = keep_reply(
        address=one.address, text="Hallo", received_at=timezone.now(), newsletter=newsletter
    )
    segment = Segment.objects.create(newsletter=newsletter, name="S", rule={"topic": ["sport"]})
    imported = Import.objects.create(
        newsletter=newsletter,
        channel=chat,
        uploaded_by=publisher,
        uploaded_at=timezone.now(),
    )
    opt_in = OptIn.objects.get(token_hash__isnull=False)
    opt_in_actions.confirm_opt_in(
        opt_in=opt_in, method="link", event_at=timezone.now(), evidence={}
    )
    opt_in_actions.ask_by_form(
        newsletter=make_newsletter("zweites", channels=[mail], is_public=True),
        channel=mail,
        identifier="andere@example.org",
        language="de",
    )
    form = create_form(newsletter=newsletter, code="stand", name="Stand", actor=SYSTEM)
    proposal = TextProposal.objects.create(
        newsletter=newsletter, language="de", kind="notice", text="x", proposed_at=timezone.now()
    )
    later = timezone.now() + timedelta(days=1)
    record = ConsentRecord.objects.filter(state="given").get()
    slug, desk = "/n/stadtanzeiger/", f"/desk/newsletters/{newsletter.pk}/"
    return {
        "start": "/",
        "newsletter": slug,
        "newsletter_asked": f"{slug}asked/",
        "newsletter_form": f"{slug}from/stand/",
        "newsletter_qr": f"{slug}{chat.pk}.svg",
        "confirm": f"/c/{tokens[-1]}/",
        "preferences": f"/p/{sign_link('preferences', one.pk, later)}/",
        "unsubscribe": f"/u/{sign_link('unsubscribe', other.pk, None)}/",
        "notice": f"/notice/{newsletter.notices.get(language='de').pk}/",
        "receipt": f"/r/{sign_link('receipt', record.pk, later)}/",
        "signed_receipt": f"/r/{sign_link('receipt', record.pk, later)}/signed/",
        "consent_keys": "/.well-known/jwks.json",
        "data_request": "/data/",
        "data_asked": "/data/asked/",
        "data_confirm": f"/data/erasure/{sign_link('data-erasure', one.address_id, later)}/",
        "inbox": "/desk/inbox/",
        "inbox_answer": f"/desk/inbox/{reply.pk}/answer/",
        "inbox_handled": f"/desk/inbox/{reply.pk}/handled/",
        "subscribers": "/desk/subscribers/",
        "subscribers_export": "/desk/subscribers/export/",
        "segments": "/desk/segments/",
        "segment": f"/desk/segments/{segment.pk}/",
        "segment_reach": f"/desk/segments/{segment.pk}/reach/",
        "segment_drop": f"/desk/segments/{segment.pk}/drop/",
        "segment_new": f"{desk}segments/new/",
        "audience_count": f"{desk}count/",
        "imports": "/desk/imports/",
        "import_new": "/desk/imports/new/",
        "import": f"/desk/imports/{imported.pk}/",
        "import_report": f"/desk/imports/{imported.pk}/report.csv",
        "import_progress": f"/desk/imports/{imported.pk}/progress/",
        "import_load": f"/desk/imports/{imported.pk}/load/",
        "import_approve": f"/desk/imports/{imported.pk}/approve/",
        "import_reject": f"/desk/imports/{imported.pk}/reject/",
        "newsletters": "/desk/newsletters/",
        "newsletter_new": "/desk/newsletters/new/",
        "newsletter_settings": desk,
        "newsletter_sign_up": f"{desk}page/",
        "newsletter_page_qr": f"{desk}page.svg",
        "newsletter_forms": f"{desk}forms/",
        "newsletter_form_decide": f"{desk}forms/{form.pk}/decide/",
        "newsletter_form_close": f"{desk}forms/{form.pk}/close/",
        "newsletter_proposal": f"/desk/newsletters/texts/{proposal.pk}/",
        "newsletter_topics": f"{desk}topics/",
        "newsletter_topic": f"{desk}topics/{newsletter.topics.first().pk}/",
        "newsletter_keywords": f"{desk}words/",
        "newsletter_keyword_drop": f"{desk}words/1/drop/",
        "newsletter_texts": f"{desk}texts/",
        "newsletter_text": f"{desk}texts/notice/de/",
    }


def names_of(urlconf):
    return {name for name in get_resolver(urlconf).reverse_dict if isinstance(name, str)}


def test_every_page_of_ours_is_crawled(paths):
    ours = names_of("subscriptions.urls")

    assert ours - paths.keys() == set()


@pytest.mark.parametrize("role", ["nobody", *ROLES])
def test_looking_at_every_page_changes_nothing(client, paths, role):
    if role != "nobody":
        known = User.objects.filter(email=f"{role}@example.org").first()
        client.force_login(known or make_staff(role))
    before = everything()
    assert before

    for path in paths.values():
        for method in (client.get, client.head):
            answer = method(path, {"stop": "all", "do": "drop:r.0", "publish": "1", "yes": "1"})
            assert answer.status_code in {200, 302, 403, 404, 405}, path

    assert everything() == before


def test_forms_of_the_staff_are_refused_without_their_token(paths):
    """A foreign page can make a browser send our cookies, but not our token (ASVS 3.5.1)."""
    everyone = make_staff("administrator", email="everyone@example.org")
    for role in ROLES[:3]:
        Grant.objects.create(user=everyone, role=role)
    client = Client(enforce_csrf_checks=True)
    client.force_login(everyone)
    before = everything()
    assert before

    for path in paths.values():
        if path.startswith("/desk/"):
            assert client.post(path, {"publish": "1"}).status_code in {403, 405}, path

    assert everything() == before


def test_the_fingerprint_sees_a_change(client, paths):
    before = everything()

    client.post(paths["unsubscribe"])

    changed = {table for table, value in everything().items() if before[table] != value}
    assert ("default", "subscriptions_subscription") in changed
    assert ("default", "messengers_gate") in changed
