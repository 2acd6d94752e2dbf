from django.db import migrations

from privacy.audit.insert_only import insert_only_sql, not_insert_only_sql

TABLE = "privacy_auditentry"


class Migration(migrations.Migration):
    """The audit log only grows, whoever is connected."""

    dependencies = [("privacy", "0001_privacy")]

    operations = [migrations.RunSQL(insert_only_sql(TABLE), not_insert_only_sql(TABLE))]
