"""Let the list be filtered by action, reference and times, and sorted by start, in projects of millions of jobs."""

from django.db import migrations, models
from django.db.models import F

# As the model has it (BLOCK_BITS).
BLOCK = F("id").bitrightshift(14)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0005_redaction_index")]

    operations = [
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["project", "action", "id"], name="jobs_job_list_by_action"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["project", "reference_id", "id"], name="jobs_job_list_by_reference"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["project", "start_at", "id"], name="jobs_job_list_by_start"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["project", "status", "start_at", "id"], name="jobs_job_list_by_status_start"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index("project", BLOCK, "created_at", "id", name="jobs_job_blocks_of_created"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index("project", BLOCK, "start_at", "id", name="jobs_job_blocks_of_start"),
        ),
    ]
