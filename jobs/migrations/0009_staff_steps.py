"""Let staff step in: permissions of their own, one retry for a failed job, words for what they did."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0008_organization_disabled")]

    operations = [
        migrations.AlterModelOptions(
            name="apikey",
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("rotate_apikey", "Can rotate an API key"),
                    ("revoke_apikey", "Can revoke an API key"),
                ],
                "verbose_name": "API key",
            },
        ),
        migrations.AlterModelOptions(
            name="job",
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("cancel_job", "Can cancel a job"),
                    ("retry_job", "Can retry a failed job"),
                    ("run_job", "Can run a job now"),
                    ("hold_job", "Can hold and resume a job"),
                    ("view_reference", "Can see whom a job is about"),
                    ("view_job_detail", "Can see the traceback of a failed attempt"),
                ],
            },
        ),
        migrations.AlterModelOptions(
            name="organization",
            options={
                "ordering": ["name"],
                "permissions": [("disable_organization", "Can disable and enable an organization")],
            },
        ),
        migrations.RemoveIndex(model_name="job", name="jobs_job_retries"),
        migrations.AlterField(
            model_name="jobevent",
            name="what",
            field=models.CharField(
                choices=[
                    ("scheduled", "scheduled"),
                    ("claimed", "claimed"),
                    ("released", "released"),
                    ("retrying", "attempt failed, will be retried"),
                    ("rescued", "rescued from a lost worker"),
                    ("completed", "completed"),
                    ("failed", "failed"),
                    ("cancelled", "cancelled"),
                    ("held", "held"),
                    ("resumed", "resumed"),
                    ("advanced", "due at once"),
                    ("retried", "retried by another job"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=models.Q(("retry_of__isnull", False)), fields=("retry_of",), name="jobs_job_one_retry"
            ),
        ),
    ]
