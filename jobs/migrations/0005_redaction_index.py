"""Find ended jobs that are old enough to be redacted, however many already are; ``prunejobs`` asks for them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_failures_index")]

    operations = [
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(
                    ("finished_at__isnull", False), models.Q(("reference_id", ""), _negated=True)
                ),
                fields=["finished_at", "id"],
                name="jobs_job_to_redact",
            ),
        ),
    ]
