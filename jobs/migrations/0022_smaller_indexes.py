"""Add smaller indexes in place of those that ``0023`` drops; without downtime, as others write meanwhile."""

from django.db import migrations, models
from django.db.models import F, Q

from ._operations import AddIndex

# As the model has them (BLOCK_BITS, GROUP_BITS).
BLOCK = F("id").bitrightshift(14)
GROUP = F("id").bitrightshift(12)


class Migration(migrations.Migration):
    atomic = False  # so that PostgreSQL can build indexes concurrently
    dependencies = [("jobs", "0021_first_key")]

    operations = [
        AddIndex(
            model_name="job",
            index=models.Index("project", "action", GROUP, name="jobs_job_groups_of_action"),
        ),
        AddIndex(
            model_name="job",
            index=models.Index(fields=["reference_id", "project", "id"], name="jobs_job_of_reference"),
        ),
        AddIndex(
            model_name="job",
            index=models.Index("project", BLOCK, "created_at", name="jobs_job_blocks_by_created"),
        ),
        AddIndex(
            model_name="job",
            index=models.Index("project", BLOCK, "start_at", name="jobs_job_blocks_by_start"),
        ),
        AddIndex(
            model_name="job",
            index=models.Index(fields=["project", "id"], condition=Q(status="running"), name="jobs_job_running"),
        ),
        AddIndex(
            model_name="job",
            index=models.Index(
                fields=["status", "id"],
                condition=Q(status__in=["scheduled", "failed", "cancelled"]),
                name="jobs_job_status",
            ),
        ),
    ]
