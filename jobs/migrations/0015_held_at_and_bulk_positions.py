"""Columns for since when staff hold a job, and for how far a bulk change has come."""

from django.db import migrations, models

WAITING = models.Q(("held_at__isnull", True), ("status", "scheduled"))


class Migration(migrations.Migration):
    dependencies = [("jobs", "0014_reservation")]

    operations = [
        migrations.AddField(model_name="job", name="held_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="job", name="bulk_positions", field=models.JSONField(null=True)),
        # New names, so that the new indexes can be built beside the old ones.
        migrations.AddIndex(
            model_name="job",
            index=models.Index(condition=WAITING, fields=["due_at", "id"], name="jobs_job_waiting"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=WAITING, fields=["project", "due_at", "id"], name="jobs_job_waiting_of_project"
            ),
        ),
        migrations.RemoveIndex(model_name="job", name="jobs_job_due"),
        migrations.RemoveIndex(model_name="job", name="jobs_job_due_of_project"),
    ]
