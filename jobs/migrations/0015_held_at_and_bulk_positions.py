"""Columns for since when staff hold a job, and for how far a bulk change has come."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0014_reservation")]

    operations = [
        migrations.AddField(model_name="job", name="held_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="job", name="bulk_positions", field=models.JSONField(null=True)),
    ]
