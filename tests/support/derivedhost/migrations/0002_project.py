"""The host's projects; ``run_before``, as ``jobs`` itself depends on this app's first migration only."""

import django.db.models.deletion
import jobs.models.project
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0001_organization"),
        ("derivedhost", "0001_region"),
    ]
    run_before = [
        ("jobs", "0002_jobs"),
    ]

    operations = [
        migrations.CreateModel(
            name="Project",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200)),
                ("key", models.CharField(default=jobs.models.project.make_project_key, editable=False, max_length=20)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="jobs.organization"
                    ),
                ),
                (
                    "region",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, to="derivedhost.region"
                    ),
                ),
            ],
            options={
                "abstract": False,
                "constraints": [models.UniqueConstraint(fields=("key",), name="derivedhost_project_unique_key")],
            },
        ),
    ]
