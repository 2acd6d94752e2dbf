import django.db.models.deletion
from django.db import migrations, models

import privacy.ids


class Migration(migrations.Migration):
    dependencies = [
        ("privacy", "0005_processors_and_incidents"),
    ]

    operations = [
        migrations.AddField(
            model_name="exportpackage",
            name="code_hash",
            field=models.BinaryField(max_length=32, null=True),
        ),
        migrations.AddField(
            model_name="exportpackage",
            name="code_tries",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.CreateModel(
            name="RecipientNotice",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=privacy.ids.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("recipient", models.CharField(max_length=200)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "To be told"),
                            ("asked", "Told, no answer yet"),
                            ("confirmed", "Has confirmed"),
                            ("nothing_kept", "Keeps nothing"),
                            (
                                "impossible",
                                "Not possible, or only with disproportionate effort",
                            ),
                        ],
                        default="open",
                        max_length=16,
                    ),
                ),
                ("asked_at", models.DateTimeField(null=True)),
                ("answered_at", models.DateTimeField(null=True)),
                ("reply_sealed", models.BinaryField(null=True)),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to="privacy.request",
                    ),
                ),
            ],
            options={
                "ordering": ["recipient"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("request", "recipient"),
                        name="one_notice_per_request_and_recipient",
                    )
                ],
            },
        ),
    ]
