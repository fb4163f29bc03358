"""Keep what ended in each five minutes counted, so that the overview of weeks reads a few rows."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0009_staff_steps")]

    operations = [
        migrations.CreateModel(
            name="Statistic",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("bucket_at", models.DateTimeField()),
                ("completed", models.PositiveIntegerField()),
                ("failed", models.PositiveIntegerField()),
                ("cancelled", models.PositiveIntegerField()),
                ("run_slots", models.JSONField()),
                ("wait_slots", models.JSONField()),
            ],
            options={
                "ordering": ["bucket_at"],
                "default_permissions": [],
                "constraints": [models.UniqueConstraint(fields=("bucket_at",), name="jobs_statistic_unique_bucket")],
            },
        ),
    ]
