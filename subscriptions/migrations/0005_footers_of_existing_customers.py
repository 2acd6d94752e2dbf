"""No open gate of an existing customer without the footer, whatever a program may try.

Section 7(3) no. 4 UWG: whoever is written to without consent is told in each message how to object.
"""

from django.db import migrations

MAKE = """
CREATE FUNCTION subscriptions_gate_needs_footer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM subscriptions_subscription
                WHERE id = NEW.id AND legal_basis = 'existing_customer_7_3') THEN
        RAISE EXCEPTION 'gate %: an existing customer must be told how to object', NEW.id
              USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER gate_needs_footer BEFORE INSERT OR UPDATE ON messengers_gate
    FOR EACH ROW WHEN (NEW.is_open AND NOT NEW.needs_footer)
    EXECUTE FUNCTION subscriptions_gate_needs_footer();

CREATE FUNCTION subscriptions_basis_needs_footer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM messengers_gate
                WHERE id = NEW.id AND is_open AND NOT needs_footer) THEN
        RAISE EXCEPTION 'subscription %: its gate is open without the footer', NEW.id
              USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER basis_needs_footer BEFORE INSERT OR UPDATE OF legal_basis
    ON subscriptions_subscription
    FOR EACH ROW WHEN (NEW.legal_basis = 'existing_customer_7_3')
    EXECUTE FUNCTION subscriptions_basis_needs_footer();
"""
DROP = """
DROP TRIGGER IF EXISTS gate_needs_footer ON messengers_gate;
DROP TRIGGER IF EXISTS basis_needs_footer ON subscriptions_subscription;
DROP FUNCTION IF EXISTS subscriptions_gate_needs_footer();
DROP FUNCTION IF EXISTS subscriptions_basis_needs_footer();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("messengers", "0002_gates_may_need_a_footer"),
        ("subscriptions", "0004_consent_has_its_transaction"),
    ]

    operations = [migrations.RunSQL(MAKE, DROP)]
