"""Permissions for what staff may do."""

from django.db import migrations


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
    ]
