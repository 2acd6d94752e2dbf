"""Deliveries lie in one partition for each month of their dispatch, so that a month goes at once.

The bounds are those of the time-ordered ids of dispatches, in UTC. Partitions are made ahead by
functions of the tables' owner, which the application's role may call and which look again
themselves; the snapshot of a broadcast never makes one. What has no partition lands in the one
for the rest, and moves when its month is made.

The key is (id, dispatch_id): unique together with the partitions' column, as PostgreSQL demands,
and in this order because a receipt knows the delivery and not the dispatch.
"""

from django.db import migrations, models

FUNCTIONS = """
CREATE FUNCTION messengers_first_id(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT rpad(lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;

CREATE FUNCTION messengers_add_partition(parent text, suffix text, lower text, upper text)
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
                   ' INCLUDING INDEXES) WITH (fillfactor = 50)', part, parent);
    EXECUTE format('LOCK TABLE public.%I IN ACCESS EXCLUSIVE MODE', rest);
    EXECUTE format('WITH moved AS (DELETE FROM public.%I WHERE %I >= %L AND %I < %L RETURNING *)'
                   ' INSERT INTO public.%I SELECT * FROM moved',
                   rest, part_key, lower, part_key, upper, part);
    EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                   parent, part, lower, upper);
    RETURN 1;
END $$;

CREATE FUNCTION messengers_add_month(month date) RETURNS integer
LANGUAGE sql SET search_path = pg_catalog, public AS $$
    SELECT messengers_add_partition(
        'messengers_delivery', to_char(month, 'YYYY_MM'),
        messengers_first_id(month::timestamp AT TIME ZONE 'UTC')::text,
        messengers_first_id((month + interval '1 month') AT TIME ZONE 'UTC')::text)
$$;

CREATE FUNCTION messengers_make_partitions() RETURNS integer
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

CREATE FUNCTION messengers_drop_month(month date, before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public SET lock_timeout = '2s' AS $$
DECLARE
    part text := 'messengers_delivery_' || to_char(month, 'YYYY_MM');
    first_id uuid := messengers_first_id(month::timestamp AT TIME ZONE 'UTC');
    next_id uuid := messengers_first_id((month + interval '1 month') AT TIME ZONE 'UTC');
    is_held boolean;
    gone bigint;
BEGIN
    IF before > clock_timestamp() OR (month + interval '1 month') AT TIME ZONE 'UTC' > before THEN
        RAISE EXCEPTION 'the month % is not over for its term', month;
    END IF;
    IF EXISTS (SELECT FROM messengers_dispatch WHERE id >= first_id AND id < next_id
                  AND (status IN ('running', 'paused') OR finished_at >= before
                       OR finished_at IS NULL)) THEN
        RAISE EXCEPTION 'a dispatch of % has not ended for its term', month;
    END IF;
    EXECUTE format(
        'SELECT EXISTS (SELECT FROM privacy_legalhold h WHERE h.ended_at IS NULL'
        ' AND h.data_class IN ('''', ''delivery_record'') AND (h.subject IS NULL OR EXISTS ('
        ' SELECT FROM messengers_address a JOIN public.%I d ON d.address = a.id'
        ' WHERE a.subject = h.subject)))', part) INTO is_held;
    IF is_held THEN
        RAISE EXCEPTION 'a delivery of % is held', month;
    END IF;
    EXECUTE format('SELECT count(*) FROM public.%I', part) INTO gone;
    EXECUTE format('DROP TABLE public.%I', part);
    RETURN gone;
END $$;
"""
NO_FUNCTIONS = """
DROP FUNCTION messengers_drop_month(date, timestamptz);
DROP FUNCTION messengers_make_partitions();
DROP FUNCTION messengers_add_month(date);
DROP FUNCTION messengers_add_partition(text, text, text, text);
DROP FUNCTION messengers_first_id(timestamptz);
"""

COLUMNS = """
    id, batch_id, dispatch_id, address, gate, position, attempts, status, cause, next_at,
    changed_at, provider_ref, values_sealed"""
TABLE = """
CREATE TABLE messengers_delivery (
    id bigint NOT NULL DEFAULT nextval('messengers_delivery_id_seq'),
    batch_id bigint NOT NULL,
    dispatch_id uuid NOT NULL,
    address uuid NOT NULL,
    gate uuid,
    position smallint NOT NULL,
    attempts smallint NOT NULL CHECK (attempts >= 0),
    status varchar(12) NOT NULL,
    cause varchar(48) NOT NULL,
    next_at timestamptz,
    changed_at timestamptz,
    provider_ref bytea,
    values_sealed bytea,
    CONSTRAINT sending_is_never_stored CHECK (NOT (status = 'sending'))
)"""
KEEP_COUNTING = """
DO $$
DECLARE
    last bigint;
BEGIN
    SELECT nextval(pg_get_serial_sequence('messengers_delivery', 'id')) INTO last;
    PERFORM set_config('jawort.last_delivery', last::text, true);
END $$;
ALTER TABLE messengers_delivery RENAME TO messengers_delivery_before;
ALTER TABLE messengers_delivery_before
    DROP CONSTRAINT one_delivery_per_address, DROP CONSTRAINT one_delivery_per_position,
    DROP CONSTRAINT sending_is_never_stored;
"""
# Ids are never given twice: an attempt that a provider still echoes may name one that is gone.
GO_ON_COUNTING = """
SELECT setval('messengers_delivery_id_seq', current_setting('jawort.last_delivery')::bigint);
"""
INDEXES = """
CREATE INDEX delivery_by_ref ON messengers_delivery (provider_ref)
    WHERE provider_ref IS NOT NULL;
CREATE INDEX delivery_by_address ON messengers_delivery (address);
"""

FORWARD = f"""
{FUNCTIONS}
{KEEP_COUNTING}
DROP INDEX delivery_by_ref;
DROP INDEX delivery_by_address;
ALTER TABLE messengers_delivery_before
    ALTER id DROP IDENTITY, DROP CONSTRAINT messengers_delivery_pkey;
CREATE SEQUENCE messengers_delivery_id_seq AS bigint;
{GO_ON_COUNTING}
{TABLE} PARTITION BY RANGE (dispatch_id);
ALTER SEQUENCE messengers_delivery_id_seq OWNED BY messengers_delivery.id;
ALTER TABLE messengers_delivery
    ADD CONSTRAINT messengers_delivery_pkey PRIMARY KEY (id, dispatch_id),
    ADD CONSTRAINT one_delivery_per_address UNIQUE (dispatch_id, address),
    ADD CONSTRAINT one_delivery_per_position UNIQUE (dispatch_id, batch_id, position);
{INDEXES}
CREATE TABLE messengers_delivery_rest PARTITION OF messengers_delivery DEFAULT;
-- A month for each that has a row; what is older than any month we know stays with the rest.
SELECT messengers_add_month(month::date)
  FROM (SELECT DISTINCT date_trunc('month', to_timestamp(
                   ('x' || left(replace(dispatch_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
               AT TIME ZONE 'UTC') AS month
          FROM (SELECT DISTINCT dispatch_id FROM messengers_delivery_before) AS dispatches) AS months
 WHERE month BETWEEN now() - interval '10 years' AND now() + interval '1 year';
SELECT messengers_make_partitions();
INSERT INTO messengers_delivery ({COLUMNS})
SELECT {COLUMNS} FROM messengers_delivery_before ORDER BY id;
DROP TABLE messengers_delivery_before;
"""
BACK = f"""
{KEEP_COUNTING}
DROP INDEX delivery_by_ref;
DROP INDEX delivery_by_address;
ALTER TABLE messengers_delivery_before DROP CONSTRAINT messengers_delivery_pkey;
ALTER TABLE messengers_delivery_before ALTER id DROP DEFAULT;
DROP SEQUENCE messengers_delivery_id_seq;
CREATE SEQUENCE messengers_delivery_id_seq AS bigint;
{TABLE};
INSERT INTO messengers_delivery ({COLUMNS})
SELECT {COLUMNS} FROM messengers_delivery_before ORDER BY id;
DROP TABLE messengers_delivery_before;
ALTER TABLE messengers_delivery ALTER id DROP DEFAULT;
DROP SEQUENCE messengers_delivery_id_seq;
ALTER TABLE messengers_delivery ALTER id ADD GENERATED BY DEFAULT AS IDENTITY;
{GO_ON_COUNTING}
ALTER TABLE messengers_delivery
    ADD CONSTRAINT messengers_delivery_pkey PRIMARY KEY (id),
    ADD CONSTRAINT one_delivery_per_address UNIQUE (dispatch_id, address),
    ADD CONSTRAINT one_delivery_per_position UNIQUE (batch_id, position);
{INDEXES}
{NO_FUNCTIONS}
"""


class Migration(migrations.Migration):
    dependencies = [
        ("messengers", "0005_the_instance_knows_its_cluster"),
        ("privacy", "0001_privacy"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(FORWARD, BACK)],
            state_operations=[
                migrations.RemoveConstraint("delivery", "one_delivery_per_position"),
                migrations.AddConstraint(
                    "delivery",
                    models.UniqueConstraint(
                        fields=("dispatch", "batch", "position"), name="one_delivery_per_position"
                    ),
                ),
            ],
        )
    ]
