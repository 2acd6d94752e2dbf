from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0005_footers_of_existing_customers"),
    ]

    operations = [
        migrations.AlterField(
            model_name="consentrecord",
            name="state",
            field=models.CharField(
                choices=[
                    ("requested", "Requested"),
                    ("given", "Given"),
                    ("refused", "Refused"),
                    ("withdrawn", "Withdrawn"),
                    ("renewed", "Renewed"),
                    ("expired", "Expired"),
                    ("invalidated", "Invalidated"),
                    ("objected", "Objected"),
                ],
                max_length=12,
            ),
        ),
    ]
