import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connection

from messengers.models import Gate
from subscriptions import audience
from subscriptions.errors import RuleError
from subscriptions.models import Newsletter, Subscription

from .conftest import make_newsletter

pytestmark = pytest.mark.django_db

PLANT = """
WITH made AS (
    SELECT gen_random_uuid() AS subject, gen_random_uuid() AS address, gen_random_uuid() AS gate, n
      FROM generate_series(1, %(people)s) AS n
), subscribers AS (
    INSERT INTO subscriptions_subscriber (id, language, created_at)
    SELECT subject, 'de', now() FROM made
), addresses AS (
    INSERT INTO messengers_address (id, channel_id, subject, sealed, created_at)
    SELECT address, %(channel)s, subject, '', now() FROM made
), subscriptions AS (
    INSERT INTO subscriptions_subscription
           (id, subscriber_id, newsletter_id, channel_id, address_id, language, status,
            legal_basis, source, confirmed_at)
    SELECT gate, subject, %(newsletter)s, %(channel)s, address,
           CASE WHEN n %% 10 = 0 THEN 'en' ELSE 'de' END, 'confirmed', 'consent', 'chat',
           timestamptz '2026-01-01 00:00+00' + n * interval '1 minute' FROM made
), gates AS (
    INSERT INTO messengers_gate (id, address, subject, is_open, reason, changed_at)
    SELECT gate, address, subject, n %% 100 <> 0,
           CASE WHEN n %% 100 = 0 THEN 'blocked' ELSE '' END, now() FROM made
)
INSERT INTO subscriptions_subscription_topics (subscription_id, topic_id)
SELECT gate, %(topic)s FROM made WHERE n %% 2 = 0
"""


def plant(newsletter, channel, people):
    topic = newsletter.topics.get(slug="sport")
    values = {"people": people, "channel": channel.pk, "newsletter": newsletter.pk}
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute(PLANT, values | {"topic": topic.pk})


def total(newsletter, rule):
    return audience.count(newsletter.pk, rule)["total"]


@pytest.fixture
def crowd(newsletter, chat):
    plant(newsletter, chat, 200)
    return newsletter


def test_conditions_count_whom_they_say(crowd, chat, mail):
    # 200 people, every hundredth is blocked, every second likes sport, every tenth reads English.
    assert total(crowd, {}) == 198
    assert total(crowd, {"topic": ["sport"]}) == 98
    assert total(crowd, {"language": ["en"]}) == 18
    assert total(crowd, {"language": ["de", "en"]}) == 198
    assert total(crowd, {"channel": [str(chat.pk)]}) == 198
    assert total(crowd, {"channel": [str(mail.pk)]}) == 0
    assert audience.count(crowd.pk, {})["by_channel"] == {chat.pk: 198}


def test_and_or_not_combine(crowd):
    assert total(crowd, {"all": [{"topic": ["sport"]}, {"language": ["de"]}]}) == 80
    assert total(crowd, {"any": [{"topic": ["sport"]}, {"language": ["de"]}]}) == 198
    assert total(crowd, {"not": {"topic": ["sport"]}}) == 100
    assert total(crowd, {"not": {"any": [{"topic": ["sport"]}, {"language": ["en"]}]}}) == 100


def test_days_are_those_of_the_newsletters_time_zone(crowd):
    Subscription.objects.update(confirmed_at=datetime(2026, 5, 31, 22, 30, tzinfo=UTC))

    # 22:30 in UTC is the first of June in Berlin.
    assert total(crowd, {"subscribed_before": "2026-06-01"}) == 0
    assert total(crowd, {"subscribed_after": "2026-06-01"}) == 198
    Newsletter.objects.update(time_zone="UTC")
    assert total(crowd, {"subscribed_before": "2026-06-01"}) == 198


def test_only_confirmed_subscriptions_with_open_gates_are_recipients(crowd):
    Subscription.objects.filter(language="en").update(
        status="withdrawn", ended_at=datetime.now(UTC)
    )
    assert total(crowd, {}) == 180

    Gate.objects.update(is_open=False, reason="staff")

    assert total(crowd, {}) == 0


def test_recipients_are_addresses_gates_and_channels(crowd, chat):
    sql, params = audience.recipients_sql(crowd.pk, {"language": ["en"]}, channels=[chat.pk])
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()

    known = set(Subscription.objects.values_list("address_id", "id", "channel_id"))
    assert len(rows) == 18
    assert set(rows) <= known


def test_another_newsletters_people_are_never_meant(crowd, chat):
    other = make_newsletter("Küstenpost", chat)

    assert total(other, {}) == 0
    assert total(other, {"topic": ["sport"]}) == 0
    other.topics.filter(slug="sport").delete()
    with pytest.raises(RuleError, match="no such topic"):
        total(other, {"topic": ["sport"]})


DEEP = {"not": {"not": {"not": {"not": {"not": {"language": ["de"]}}}}}}


@pytest.mark.parametrize(
    ("rule", "where"),
    [
        ({"colour": ["red"]}, "colour"),
        ({"topic": "sport"}, "topic"),
        ({"topic": []}, "topic"),
        ({"topic": ["sport", 3]}, "topic"),
        ({"topic": ["wetter"]}, "topic"),
        ({"language": ["fr"]}, "language"),
        ({"channel": ["no id"]}, "channel"),
        ({"subscribed_after": "yesterday"}, "subscribed_after"),
        ({"all": []}, "all"),
        ({"all": [{"topic": ["sport"]}, {}]}, "all.1"),
        ({"all": [{"not": {"language": ["xx"]}}]}, "all.0.not.language"),
        ({"topic": ["sport"], "language": ["de"]}, "rule"),
        (["topic"], "rule"),
        (DEEP, "not.not.not.not.not"),
        ({"any": [{"language": ["de"]}] * 21}, "any"),
    ],
)
def test_a_rule_that_is_none_is_refused_with_its_place(newsletter, rule, where):
    with pytest.raises(RuleError, match=f"^{where}: "):
        audience.check_rule(newsletter.pk, rule)


def test_values_are_never_part_of_the_statement(newsletter):
    hostile = "x'); DROP TABLE subscriptions_subscription; --"

    with pytest.raises(RuleError):
        audience.count(newsletter.pk, {"topic": [hostile]})
    sql, params = audience.recipients_sql(newsletter.pk, {"language": ["de"]})
    assert "'de'" not in sql
    assert ["de"] in params


ROUNDS = 10


def processor_seconds(process: int) -> float:
    """User and system time of a process so far (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_a_live_count_over_100_000_people_takes_less_than_a_tenth_of_a_second(
    newsletter, chat, clusters
):
    plant(newsletter, chat, 100_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        # In one process, whose own processor time is the same on a busy machine.
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        cursor.execute("SELECT pg_backend_pid()")
        server = cursor.fetchone()[0]
    rule = {"all": [{"topic": ["sport"]}, {"not": {"language": ["en"]}}]}
    assert total(newsletter, rule) == 40_000

    before = processor_seconds(server)
    for _ in range(ROUNDS):
        audience.count(newsletter.pk, rule)
    seconds = (processor_seconds(server) - before) / ROUNDS

    print(
        f"\naudience: count over 100,000 subscriptions, {seconds * 1000:.0f} ms of processor time"
    )
    assert 0 < seconds < 0.1
