import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import privacy.ids


class Migration(migrations.Migration):
    """Test addresses no longer hang on people's rows, which are forgotten within minutes.

    The few there are go: their owners type them once more.
    """

    dependencies = [
        ("broadcasts", "0001_broadcasts"),
        ("messengers", "0001_messengers"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.DeleteModel(name="TestAddress"),
        migrations.CreateModel(
            name="TestAddress",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=privacy.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("digest", models.BinaryField(max_length=16)),
                ("sealed", models.BinaryField()),
                ("used_at", models.DateTimeField()),
                (
                    "channel",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="messengers.channel",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "channel", "digest"), name="one_test_address_per_user"
                    )
                ],
            },
        ),
    ]
