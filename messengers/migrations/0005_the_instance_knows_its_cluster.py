from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("messengers", "0004_no_open_gate_of_the_restricted")]

    operations = [
        migrations.AddField(
            model_name="instance",
            name="cluster",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="instance",
            name="generation",
            field=models.BigIntegerField(default=0),
        ),
    ]
