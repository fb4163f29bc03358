"""Delete a project's jobs with it, as its API keys, pauses and counts are; no statement is sent to the database."""

import django.db.models.deletion
from django.db import migrations, models

from ..conf import project_model_label


class Migration(migrations.Migration):
    dependencies = [("jobs", "0018_drop_due_indexes")]

    operations = [
        migrations.AlterField(
            model_name="job",
            name="project",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=project_model_label(),
            ),
        ),
    ]
