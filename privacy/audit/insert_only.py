"""Tables that may only grow: the application's role may not change them, triggers refuse all."""

ENTRY_TABLES = ("privacy_auditentry", "subscriptions_consentrecord")
LEDGER_TABLES = (
    "privacy_leaf",
    "privacy_node",
    "privacy_checkpoint",
    "privacy_anchor",
    "privacy_rebase",
)
INSERT_ONLY_TABLES = (*ENTRY_TABLES, *LEDGER_TABLES)
# Triggers in PostgreSQL's catalogue: fires for everybody, also for a replication session.
ALWAYS = "A"

# One change is let through, and only to the owner, whom no running process is: an entry whose term
# is over gives up its bytes and what the columns beside them tell, and keeps the hash they had.
FUNCTION = """
CREATE OR REPLACE FUNCTION privacy_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_owner boolean := current_user =
        (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID);
BEGIN
    IF TG_OP = 'TRUNCATE' AND is_owner THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' AND is_owner AND to_jsonb(NEW) ->> 'entry' = '\\x' THEN
        IF octet_length(OLD.entry) > 0
            AND OLD.leaf = sha256('\\x00'::bytea || OLD.entry)
            AND (NEW.id, NEW.leaf, NEW.at, NEW.xid) = (OLD.id, OLD.leaf, OLD.at, OLD.xid)
            AND privacy_term_is_over(OLD.at) THEN
            RETURN NEW;
        END IF;
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
