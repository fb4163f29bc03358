"""Drop the indexes in whose place ``0022`` added smaller ones; only code older than that reads by them."""

from django.db import migrations

from ._operations import RemoveIndex

DROPPED = (
    "jobs_job_list_by_action",
    "jobs_job_list_by_reference",
    "jobs_job_list_by_start",
    "jobs_job_blocks_of_created",
    "jobs_job_blocks_of_start",
    "jobs_job_leases",
    "jobs_job_by_status",
    "jobs_job_by_reference",
)


class Migration(migrations.Migration):
    atomic = False  # so that PostgreSQL can drop and build indexes concurrently
    dependencies = [("jobs", "0022_smaller_indexes")]

    operations = [RemoveIndex(model_name="job", name=name) for name in DROPPED]
