from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("privacy", "0009_watch_facts"),
    ]

    operations = [
        migrations.DeleteModel(
            name="SuppressionReview",
        ),
    ]
