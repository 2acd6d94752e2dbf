"""Receipts wait as one row for each POST, in a partition for each day; batches keep more counts.

A POST may bring a thousand receipts: as one row of arrays they cost a single insert and a single
delete. Days are made ahead and dropped by functions of the owner, like the months of deliveries.
"""

import django.contrib.postgres.fields
import django.db.models.functions
from django.db import migrations, models

PARTITIONS = """
CREATE OR REPLACE FUNCTION messengers_add_partition(parent text, suffix text, lower text, upper text)
RETURNS integer LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE
    part text := parent || '_' || suffix;
    rest text := parent || '_rest';
    part_key name;
BEGIN
    IF to_regclass('public.' || part) IS NOT NULL THEN
        RETURN 0;
    END IF;
    SELECT a.attname INTO STRICT part_key FROM pg_partitioned_table p
      JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
     WHERE p.partrelid = ('public.' || parent)::regclass;
    -- Made apart and attached: that waits for nobody who writes to the other partitions. Half of
    -- each page stays free, so that answers and receipts change rows in place and touch no index.
    EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS'
                   ' INCLUDING INDEXES INCLUDING STORAGE) WITH (fillfactor = 50)', part, parent);
    EXECUTE format('LOCK TABLE public.%I IN ACCESS EXCLUSIVE MODE', rest);
    EXECUTE format('WITH moved AS (DELETE FROM public.%I WHERE %I >= %L AND %I < %L RETURNING *)'
                   ' INSERT INTO public.%I SELECT * FROM moved',
                   rest, part_key, lower, part_key, upper, part);
    EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                   parent, part, lower, upper);
    RETURN 1;
END $$;

CREATE FUNCTION messengers_add_day(day date) RETURNS integer
LANGUAGE sql SET search_path = pg_catalog, public AS $$
    SELECT messengers_add_partition(
        'messengers_receiptgroup', to_char(day, 'YYYY_MM_DD'),
        (day::timestamp AT TIME ZONE 'UTC')::text,
        ((day + 1)::timestamp AT TIME ZONE 'UTC')::text)
$$;

CREATE OR REPLACE FUNCTION messengers_make_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public SET lock_timeout = '2s' AS $$
DECLARE
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    months integer;
    days integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('messengers.partitions'));
    SELECT sum(messengers_add_month(
               (date_trunc('month', today) + make_interval(months => ahead))::date))
      INTO months FROM generate_series(0, 4) AS ahead;
    SELECT sum(messengers_add_day(today + ahead)) INTO days FROM generate_series(0, 13) AS ahead;
    RETURN months + days;
END $$;

CREATE FUNCTION messengers_give_up_receipts() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public SET lock_timeout = '2s' AS $$
DECLARE
    part name;
    these bigint;
    gone bigint := 0;
    -- Seven whole days at least, whenever on its first day one came.
    first_kept text := 'messengers_receiptgroup_'
        || to_char(clock_timestamp() AT TIME ZONE 'UTC' - interval '7 days', 'YYYY_MM_DD');
BEGIN
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'public.messengers_receiptgroup'::regclass
           AND c.relname ~ '_[0-9]{4}_[0-9]{2}_[0-9]{2}$' AND c.relname < first_kept COLLATE "C"
    LOOP
        EXECUTE format('SELECT coalesce(sum(size), 0) FROM public.%I', part) INTO these;
        EXECUTE format('DROP TABLE public.%I', part);
        gone := gone + these;
    END LOOP;
    WITH old AS (DELETE FROM public.messengers_receiptgroup_rest
                  WHERE at < clock_timestamp() - interval '7 days' RETURNING size)
    SELECT coalesce(sum(size), 0) INTO these FROM old;
    RETURN gone + these;
END $$;
"""
GROUPS = """
CREATE TABLE messengers_receiptgroup (
    id bigint NOT NULL DEFAULT nextval('messengers_receiptgroup_id_seq'),
    channel uuid NOT NULL,
    at timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    tries smallint NOT NULL CHECK (tries >= 0),
    size integer NOT NULL CHECK (size >= 0),
    deliveries bigint[] NOT NULL,
    refs bytea[] NOT NULL,
    ranks smallint[] NOT NULL,
    causes varchar(48)[] NOT NULL,
    CONSTRAINT receipts_are_whole CHECK (
        cardinality(deliveries) = size AND cardinality(refs) = size
        AND cardinality(ranks) = size AND cardinality(causes) = size)
) PARTITION BY RANGE (at);
"""
FORWARD = f"""
{PARTITIONS}
CREATE SEQUENCE messengers_receiptgroup_id_seq AS bigint;
{GROUPS}
ALTER SEQUENCE messengers_receiptgroup_id_seq OWNED BY messengers_receiptgroup.id;
ALTER TABLE messengers_receiptgroup
    ADD CONSTRAINT messengers_receiptgroup_pkey PRIMARY KEY (id, at),
    ALTER deliveries SET STORAGE EXTERNAL, ALTER refs SET STORAGE EXTERNAL,
    ALTER ranks SET STORAGE EXTERNAL, ALTER causes SET STORAGE EXTERNAL;
DROP INDEX receipts_due;
CREATE INDEX receipts_due ON messengers_receiptgroup (next_at);
CREATE TABLE messengers_receiptgroup_rest PARTITION OF messengers_receiptgroup DEFAULT;
INSERT INTO messengers_receiptgroup
       (channel, at, next_at, tries, size, deliveries, refs, ranks, causes)
SELECT channel, at, next_at, tries, 1, ARRAY[delivery], ARRAY[provider_ref],
       ARRAY[array_position(ARRAY['undelivered', 'delivered', 'read'], status::text) + 1]::smallint[],
       ARRAY[cause]
  FROM messengers_parkedreceipt;
DROP TABLE messengers_parkedreceipt;
-- One line for each receipt that waits, for whoever looks.
CREATE VIEW messengers_parkedreceipt AS
SELECT g.id, g.channel, e.delivery, e.ref AS provider_ref,
       (ARRAY['in_doubt', 'accepted', 'undelivered', 'delivered', 'read'])[e.rank + 1] AS status,
       e.cause, g.at, g.next_at, g.tries
  FROM messengers_receiptgroup g,
       unnest(g.deliveries, g.refs, g.ranks, g.causes) AS e (delivery, ref, rank, cause)
 WHERE e.delivery IS NOT NULL OR e.ref IS NOT NULL;
SELECT messengers_make_partitions();
"""
BACK = """
CREATE TABLE messengers_parkedreceipt_again AS SELECT * FROM messengers_parkedreceipt;
DROP VIEW messengers_parkedreceipt;
CREATE TABLE messengers_parkedreceipt (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    channel uuid NOT NULL, delivery bigint, provider_ref bytea, status varchar(12) NOT NULL,
    cause varchar(48) NOT NULL, at timestamptz NOT NULL, next_at timestamptz NOT NULL,
    tries smallint NOT NULL CHECK (tries >= 0),
    CONSTRAINT a_receipt_is_for_something CHECK (delivery IS NOT NULL OR provider_ref IS NOT NULL)
);
INSERT INTO messengers_parkedreceipt
       (channel, delivery, provider_ref, status, cause, at, next_at, tries)
SELECT channel, delivery, provider_ref, status, cause, at, next_at, tries
  FROM messengers_parkedreceipt_again;
DROP TABLE messengers_parkedreceipt_again;
DROP TABLE messengers_receiptgroup;
CREATE INDEX receipts_due ON messengers_parkedreceipt (next_at);
DROP FUNCTION messengers_give_up_receipts();
DROP FUNCTION messengers_add_day(date);
CREATE OR REPLACE FUNCTION messengers_make_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public SET lock_timeout = '2s' AS $$
DECLARE
    this_month date := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC')::date;
    made integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('messengers.partitions'));
    SELECT sum(messengers_add_month((this_month + make_interval(months => ahead))::date))
      INTO made FROM generate_series(0, 4) AS ahead;
    RETURN made;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("messengers", "0007_channels_have_a_breaker")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(FORWARD, BACK)],
            state_operations=[
                migrations.DeleteModel("ParkedReceipt"),
                migrations.CreateModel(
                    name="ReceiptGroup",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("channel", models.UUIDField()),
                        ("at", models.DateTimeField()),
                        ("next_at", models.DateTimeField()),
                        ("tries", models.PositiveSmallIntegerField(default=0)),
                        ("size", models.PositiveIntegerField()),
                        (
                            "deliveries",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.BigIntegerField(null=True), size=None
                            ),
                        ),
                        (
                            "refs",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.BinaryField(max_length=16, null=True), size=None
                            ),
                        ),
                        (
                            "ranks",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.SmallIntegerField(), size=None
                            ),
                        ),
                        (
                            "causes",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.CharField(max_length=48), size=None
                            ),
                        ),
                    ],
                    options={
                        "indexes": [models.Index(fields=["next_at"], name="receipts_due")],
                    },
                ),
            ],
        ),
        migrations.CreateModel(
            name="Recount",
            fields=[
                ("batch", models.BigIntegerField(primary_key=True, serialize=False)),
                ("dispatch", models.UUIDField()),
                (
                    "due_at",
                    models.DateTimeField(db_default=django.db.models.functions.Now()),
                ),
                ("is_stale", models.BooleanField(db_default=True, default=True)),
            ],
        ),
        migrations.AddField(
            model_name="batch",
            name="causes",
            field=models.JSONField(db_default={}, default=dict),
        ),
        migrations.AddField(
            model_name="batch",
            name="minutes",
            field=models.JSONField(db_default={}, default=dict),
        ),
    ]
