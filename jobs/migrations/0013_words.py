"""What the models are called, in words that are translated; nothing of the database changes."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0012_blocks")]

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
                "verbose_name_plural": "API keys",
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
                "verbose_name": "job",
                "verbose_name_plural": "jobs",
            },
        ),
        migrations.AlterModelOptions(
            name="organization",
            options={
                "ordering": ["name"],
                "permissions": [("disable_organization", "Can disable and enable an organization")],
                "verbose_name": "organization",
                "verbose_name_plural": "organizations",
            },
        ),
        migrations.AlterModelOptions(
            name="pause",
            options={"ordering": ["id"], "verbose_name": "pause", "verbose_name_plural": "pauses"},
        ),
        migrations.AlterModelOptions(
            name="project",
            options={"verbose_name": "project", "verbose_name_plural": "projects"},
        ),
    ]
