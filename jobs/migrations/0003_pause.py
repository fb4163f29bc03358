"""What no worker may claim for the time being; names the host's project model, as 0002 does."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Coalesce

from ..conf import project_model_label


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0002_jobs"),
        migrations.swappable_dependency(project_model_label()),
    ]

    operations = [
        migrations.CreateModel(
            name="Pause",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("action", models.CharField(max_length=100, null=True)),
                ("reason", models.TextField()),
                ("created_at", models.DateTimeField()),
                ("created_by", models.CharField(max_length=220)),
                (
                    "project",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=project_model_label(),
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(
                        models.F("project"),
                        Coalesce("action", models.Value("")),
                        name="jobs_pause_once_in_project",
                    ),
                    models.UniqueConstraint(
                        Coalesce("action", models.Value("")),
                        condition=models.Q(("project__isnull", True)),
                        name="jobs_pause_once_everywhere",
                    ),
                ],
            },
        ),
    ]
