"""Keep counts of jobs by blocks of ids, for pages far down a list."""

import django.db.models.deletion
from django.db import migrations, models

from ..conf import project_model_label


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0010_statistics"),
        migrations.swappable_dependency(project_model_label()),
    ]

    operations = [
        migrations.CreateModel(
            name="JobBlock",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("block", models.BigIntegerField()),
                ("jobs", models.PositiveIntegerField()),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=project_model_label(),
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["block"], name="jobs_block_by_block")],
                "constraints": [
                    models.UniqueConstraint(fields=("project", "block"), name="jobs_block_once_in_project")
                ],
            },
        ),
    ]
