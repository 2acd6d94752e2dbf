"""Tables that may only grow: the application's role may not change them, triggers refuse all."""

INSERT_ONLY_TABLES = ("privacy_auditentry", "subscriptions_consentrecord")
# Triggers in PostgreSQL's catalogue: fires for everybody, also for a replication session.
ALWAYS = "A"

FUNCTION = """
CREATE OR REPLACE FUNCTION privacy_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_user =
        (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID) THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% is insert-only', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""
TRIGGERS = """
CREATE TRIGGER {table}_stays BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION privacy_refuse_change();
CREATE TRIGGER {table}_stays_whole BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION privacy_refuse_change();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_stays;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_stays_whole;
"""


def insert_only_sql(table: str) -> str:
    """SQL for a migration that makes `table` refuse UPDATE and DELETE.

    TRUNCATE stays possible for the table's owner, who makes tables and who no running process is.
    """
    return FUNCTION + TRIGGERS.format(table=_known(table))


def not_insert_only_sql(table: str) -> str:
    """The way back of such a migration."""
    name = _known(table)
    return f"DROP TRIGGER {name}_stays ON {name}; DROP TRIGGER {name}_stays_whole ON {name};"


def trigger_names(table: str) -> set[str]:
    return {f"{table}_stays", f"{table}_stays_whole"}


def _known(table: str) -> str:
    if table not in INSERT_ONLY_TABLES:
        raise ValueError(f"{table} is not in INSERT_ONLY_TABLES.")
    return table
