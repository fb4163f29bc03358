"""Indexes of the jobs that a claim may find: those that wait and are not held."""

from django.db import migrations, models

WAITING = models.Q(("held_at__isnull", True), ("status", "scheduled"))


class Migration(migrations.Migration):
    dependencies = [("jobs", "0015_held_at_and_bulk_positions")]

    operations = [
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
    ]
