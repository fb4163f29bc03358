"""Find the failures of the last hour without reading other jobs; ``jobhealth`` counts them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0003_pause")]

    operations = [
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("status", "failed")), fields=["finished_at"], name="jobs_job_failures"
            ),
        ),
    ]
