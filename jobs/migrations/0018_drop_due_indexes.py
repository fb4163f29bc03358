"""Drop the indexes that held jobs were in; only code older than ``0015`` reads by them."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0017_fill_held_at_and_bulk_positions")]

    operations = [
        migrations.RemoveIndex(model_name="job", name="jobs_job_due"),
        migrations.RemoveIndex(model_name="job", name="jobs_job_due_of_project"),
    ]
