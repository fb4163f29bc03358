"""Count the attempts of a job that were interrupted although the database answers, and find jobs that go round."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("jobs", "0019_project_cascade")]

    operations = [
        migrations.AddField(
            model_name="job", name="interruptions", field=models.PositiveIntegerField(default=0, db_default=0)
        ),
        migrations.AddField(
            model_name="job", name="interruptions_in_a_row", field=models.PositiveIntegerField(default=0, db_default=0)
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                fields=["interruptions"],
                condition=Q(status__in=["scheduled", "running"], interruptions__gt=0),
                name="jobs_job_interrupted",
            ),
        ),
    ]
