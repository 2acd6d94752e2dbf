from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("privacy", "0008_merkle_logs"),
    ]

    operations = [
        migrations.AddField(
            model_name="watch",
            name="facts",
            field=models.JSONField(default=dict),
        ),
    ]
