"""Restriction of processing (Art. 18 GDPR), kept by the database itself, whatever a program tries.

A gate of somebody who is restricted or erased cannot be opened: the row of the person is read with
a lock, so that a restriction that commits at the same moment is seen. And nobody can become
restricted while a gate of theirs stays open: that is looked at when the transaction commits.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION messengers_refuse_open_gate() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    known text;
BEGIN
    SELECT status INTO known FROM privacy_datasubject WHERE id = NEW.subject FOR SHARE;
    IF known <> 'active' THEN
        RAISE EXCEPTION 'a gate of a person who is % cannot be open', known
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER messengers_gate_of_the_restricted
    BEFORE INSERT OR UPDATE ON messengers_gate
    FOR EACH ROW WHEN (NEW.is_open) EXECUTE FUNCTION messengers_refuse_open_gate();
ALTER TABLE messengers_gate ENABLE ALWAYS TRIGGER messengers_gate_of_the_restricted;

CREATE FUNCTION messengers_refuse_restriction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM messengers_gate WHERE subject = NEW.id AND is_open)
       AND EXISTS (SELECT 1 FROM privacy_datasubject WHERE id = NEW.id AND status <> 'active') THEN
        RAISE EXCEPTION 'close the gates of a person before they are restricted'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER privacy_datasubject_has_closed_gates
    AFTER UPDATE OF status ON privacy_datasubject
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status <> 'active') EXECUTE FUNCTION messengers_refuse_restriction();
ALTER TABLE privacy_datasubject ENABLE ALWAYS TRIGGER privacy_datasubject_has_closed_gates;
"""
BACK = """
DROP TRIGGER privacy_datasubject_has_closed_gates ON privacy_datasubject;
DROP FUNCTION messengers_refuse_restriction();
DROP TRIGGER messengers_gate_of_the_restricted ON messengers_gate;
DROP FUNCTION messengers_refuse_open_gate();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("messengers", "0003_find_gates_that_need_a_footer"),
        ("privacy", "0001_privacy"),
    ]

    operations = [migrations.RunSQL(FORWARD, BACK)]
