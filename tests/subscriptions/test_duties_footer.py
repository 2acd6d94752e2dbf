"""Section 7(3) UWG: whoever is written to as a customer is told in each message how to object."""

import io
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pypdf import PdfReader

from broadcasts.actions import create_broadcast, start
from broadcasts.audience import reach
from broadcasts.content import channels_of, message_of, problems_of
from broadcasts.queries.preview import preview
from broadcasts.queries.results import results, results_table
from messengers.addresses import get_or_create_address
from messengers.channels import change_channel
from messengers.contract import Content
from messengers.engine import run
from messengers.errors import FooterMissing
from messengers.models import Delivery, Dispatch, Gate
from messengers.outbox import content_hash, start_dispatch
from privacy.access import Actor
from privacy.vault import sign_link
from subscriptions.actions import confirm_opt_in, request_opt_in
from subscriptions.audience import recipients_sql
from subscriptions.consent import opened_evidence
from subscriptions.errors import ImportRefused
from subscriptions.imports import approve_import, check_import, load_import
from subscriptions.models import ConsentRecord, Evidence, Subscription
from subscriptions.proof import bundle, dpv
from subscriptions.proof.facts import facts_of
from subscriptions.proof.verify import verify
from tests.standins.http_provider import TOKEN, Provider, running

from .conftest import PHONE, SYSTEM, make_newsletter, make_staff

HEADER = "Telefon;Sprache;Kaufdatum;Produkt;Hinweis;Einwilligung am;Quelle\r\n"
CUSTOMER = "existing_customer_7_3"
OFFERS = "Abos unserer eigenen Zeitung"
READER = "+4917604069002"
BASE_RATES = "ohne dass dafür andere als die Übermittlungskosten nach den Basistarifen"


def bring(newsletter, channel, line, *, basis=CUSTOMER, offers=OFFERS):
    publisher, officer = make_staff("publisher"), make_staff("dpo")
    imported = check_import(
        newsletter=newsletter,
        channel=channel,
        content=(HEADER + line).encode(),
        legal_basis=basis,
        similar_offers=offers,
        actor=Actor.staff(publisher),
    )
    load_import(imported=imported, actor=Actor.staff(publisher))
    approve_import(imported=imported, actor=Actor.staff(officer))
    return imported


CUSTOMER_LINE = f"{PHONE};de;03.05.2024;Jahresabo;Sie können widersprechen;;\r\n"


def confirm(newsletter, channel, phone):
    address = get_or_create_address(channel, phone)
    how = {"event_at": timezone.now(), "evidence": {}}
    asked = request_opt_in(
        address=address, newsletter=newsletter, language="de", method="keyword", **how
    )
    return confirm_opt_in(opt_in=asked, method="reply", **how)


def lead_to(channel, url):
    change_channel(
        channel=channel,
        settings={"base_url": url, "bulk": 1},
        secrets={"token": TOKEN, "hook_secret": "s"},
        actor=SYSTEM,
    )


def draft_of(newsletter, **fields):
    fields = {"title": "Neues", "markdown": "Guten Morgen!"} | fields
    return create_broadcast(newsletter=newsletter, actor=SYSTEM, **fields)


@pytest.mark.django_db(transaction=True)
def test_the_footer_stands_in_what_leaves_for_customers_and_in_nothing_else(chat):
    newsletter = make_newsletter("Stadtanzeiger", chat)
    bring(newsletter, chat, CUSTOMER_LINE)
    confirm(newsletter, chat, READER)
    Dispatch.objects.all().update(status="cancelled")  # the welcome is not what we look at
    Delivery.objects.all().update(status="cancelled")
    provider = Provider()
    with running(provider) as url:
        lead_to(chat, url)
        sent = start(draft_of(newsletter), actor=SYSTEM, idempotency_key="a")
        run(30)

    texts = {entry["to"]: entry["text"] for entry in provider.accepted}
    assert BASE_RATES in texts[PHONE]
    assert "/u/" in texts[PHONE]  # their own way out
    assert "Verlag am Markt" in texts[PHONE]
    assert texts[READER] == "Guten Morgen!"
    assert sent.bases == {"consent": 1, CUSTOMER: 1}
    assert [bar.count for bar in results(sent).by_basis] == [1, 1]
    assert ("basis", CUSTOMER, "", 1) in results_table(sent)


@pytest.mark.django_db(transaction=True)
def test_the_engine_refuses_what_does_not_say_how_to_object(chat):
    newsletter = make_newsletter("Stadtanzeiger", chat)
    confirm(newsletter, chat, READER)
    Dispatch.objects.all().update(status="cancelled")
    Delivery.objects.all().update(status="cancelled")
    provider = Provider()
    with running(provider) as url:
        lead_to(chat, url)
        sent = start(draft_of(newsletter), actor=SYSTEM, idempotency_key="a")
        # Whatever went wrong above: the gate alone decides, when the message is about to leave.
        Gate.objects.update(needs_footer=True)
        run(30)

    assert provider.accepted == []
    only = Delivery.objects.get(dispatch=sent.dispatch)
    assert (only.status, only.cause) == ("suppressed", "footer_missing")


@pytest.fixture
def customers(newsletter, chat):
    """One customer in the audience."""
    bring(newsletter, chat, CUSTOMER_LINE)
    return newsletter


@pytest.mark.django_db
def test_a_broadcast_without_the_footer_is_refused_by_the_outbox(customers):
    content = Content("Hallo", "de")
    sql, params = recipients_sql(customers.pk, {})
    dispatch = Dispatch.objects.create(
        kind="broadcast", content=content.to_json(), content_sha256=content_hash(content)
    )
    with pytest.raises(FooterMissing), transaction.atomic():
        start_dispatch(dispatch=dispatch, recipients_sql=sql, params=params)

    assert not Delivery.objects.filter(gate__isnull=False).exists()


@pytest.mark.django_db
def test_the_footer_counts_against_the_limit_and_is_seen_before(customers, chat):
    shown = preview(draft_of(customers))["simulator"]
    limit = shown.limit
    assert BASE_RATES.split(",")[0] in shown.customer.html
    assert BASE_RATES not in shown.named.html
    assert shown.length > len("Guten Morgen!")

    nearly = draft_of(customers, markdown="x" * (limit - 50))
    assert [problem.code for _, problem in problems_of(message_of(nearly), [chat])] == ["too_long"]
    assert reach(customers, {}, channels_of(customers), nearly.created_at).customers == 1


@pytest.mark.django_db
def test_the_database_has_no_open_gate_of_a_customer_without_the_footer(customers):
    gate = Gate.objects.get()
    assert (gate.is_open, gate.needs_footer) == (True, True)
    with pytest.raises(IntegrityError), transaction.atomic():
        Gate.objects.update(needs_footer=False)

    confirmed = confirm(customers, customers.channels.get(kind="simulator"), PHONE)  # says yes

    gate.refresh_from_db()
    assert (confirmed.pk, confirmed.legal_basis, gate.needs_footer) == (gate.pk, "consent", False)
    with pytest.raises(IntegrityError), transaction.atomic():
        Subscription.objects.update(legal_basis=CUSTOMER)


@pytest.mark.django_db
def test_a_customer_is_nobody_who_consented_and_the_ledger_says_so(customers):
    last = ConsentRecord.objects.order_by("at", "id").last()
    assert '"method":"existing_customer"' in bytes(last.entry).decode()
    told = opened_evidence(last.subject)
    claims = {key: value for one in told.values() for key, value in one.items()}
    assert claims["sale"] == "Jahresabo"
    assert claims["told"] == "Sie können widersprechen"
    assert (claims["legal_basis"], claims["similar_offers"]) == (CUSTOMER, OFFERS)
    assert Evidence.objects.count() == 2


@pytest.mark.django_db
def test_the_proof_of_a_customer_speaks_of_no_consent(customers, client):
    for record in ConsentRecord.objects.all():
        facts = facts_of(record)
        files = bundle.checkable(facts)
        readme = files["README.en.txt"].decode()
        assert readme.startswith("PROOF OF AN EXISTING CUSTOMER (§ 7(3) UWG), NO CONSENT")
        assert "§ 7(3) UWG, existing customer: " in readme
        assert "BESTANDSKUNDEN" in files["README.de.txt"].decode().splitlines()[0]
        with io.BytesIO(bundle.pdf(record, "en")) as paper:
            printed = " ".join(one.extract_text() for one in PdfReader(paper).pages)
        assert "§ 7(3) UWG, existing customer" in " ".join(printed.split())
        said = " ".join(one.english for one in verify(files))
        assert "§ 7(3) UWG, existing customer, no consent at 2024" in said
        shown = [readme, printed, said]
        assert [one for one in shown if "Said yes" in one or "consent given" in one] == []
        status = dpv.record_of(facts)["dpv:hasConsentStatus"]
        assert status["@type"] == ["dpv:ConsentStatusInvalidForProcessing"]
        assert status["dpv:isIndicatedBy"] == "dpv:DataController"
        assert "§ 7" in status["dct:description"]
        assert dpv.record_of(facts)["dpv:hasLegalBasis"] == "eu-gdpr:A6-1-f"
        token = sign_link("receipt", record.pk, timezone.now() + timedelta(days=1))
        page = client.get(f"/r/{token}/", headers={"Accept-Language": "en"}).content.decode()
        assert "existing customer" in page.casefold() or "Bestandskunde" in page
        assert "You said yes" not in page
        assert "Sie haben zugestimmt" not in page


@pytest.mark.django_db
def test_a_customer_who_says_yes_later_has_both_on_record(customers, chat):
    confirm(customers, chat, PHONE)
    rows = ConsentRecord.objects.order_by("id")

    bases = [dpv.record_of(facts_of(one))["dpv:hasLegalBasis"] for one in rows]

    assert bases[-1] == "eu-gdpr:A6-1-a"
    assert set(bases[:-1]) == {"eu-gdpr:A6-1-f"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "line",
    [
        f"{PHONE};de;;Jahresabo;Hinweis;03.05.2024;Messe\r\n",  # a consent is no sale
        f"{PHONE};de;03.05.2024;;Hinweis;;\r\n",
        f"{PHONE};de;03.05.2024;Jahresabo;;;\r\n",  # never told at collection
    ],
)
def test_without_sale_or_notice_nobody_is_an_existing_customer(newsletter, chat, line):
    imported = bring(newsletter, chat, line)

    assert [code for _line, code in imported.report] == ["missing_sale"]
    assert not Subscription.objects.exists()


@pytest.mark.django_db
def test_what_is_offered_has_to_be_said(newsletter, chat):
    with pytest.raises(ImportRefused, match="similar goods"):
        bring(newsletter, chat, CUSTOMER_LINE, offers=" ")


@pytest.mark.django_db
def test_machine_made_text_says_so_first(newsletter):
    plain, machine = draft_of(newsletter), draft_of(newsletter, is_ai_text=True)

    assert "KI" not in preview(plain)["simulator"].named.message.text
    for kind in ("simulator", "email"):
        first = preview(machine)[kind].named.message.text.splitlines()[0]
        assert "von einer Maschine (KI) geschrieben" in first
