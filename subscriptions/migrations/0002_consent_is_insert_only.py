from django.db import migrations

from privacy.audit.insert_only import insert_only_sql, not_insert_only_sql

TABLE = "subscriptions_consentrecord"


class Migration(migrations.Migration):
    """A consent record is never changed, only followed by another."""

    dependencies = [("subscriptions", "0001_subscriptions")]

    operations = [migrations.RunSQL(insert_only_sql(TABLE), not_insert_only_sql(TABLE))]
