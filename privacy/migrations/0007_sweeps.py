from django.db import migrations, models

import privacy.ids


class Migration(migrations.Migration):
    dependencies = [("privacy", "0006_recipient_notices_and_codes")]

    operations = [
        migrations.CreateModel(
            name="Sweep",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=privacy.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("place", models.CharField(blank=True, max_length=120)),
                ("at", models.TextField(blank=True)),
                ("done_bytes", models.PositiveBigIntegerField(default=0)),
                ("total_bytes", models.PositiveBigIntegerField(default=0)),
                ("places", models.JSONField(default=list)),
                ("found", models.JSONField(default=dict)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("finished_at",), name="one_sweep_at_a_time", nulls_distinct=False
                    )
                ],
            },
        ),
    ]
