"""Add the table of files that an erase map has still to remove; quick, as it is new."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0023_drop_larger_indexes")]

    operations = [
        migrations.CreateModel(
            name="PendingFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("job_id", models.BigIntegerField()),
                ("store", models.TextField()),
                ("field", models.TextField()),
                ("name", models.TextField()),
                ("noted_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("next_try_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("tries", models.PositiveIntegerField(default=0)),
            ],
            options={
                "ordering": ["pk"],
                "indexes": [
                    models.Index(fields=["job_id", "id"], name="jobs_file_of_job"),
                    models.Index(fields=["next_try_at"], name="jobs_file_next_try"),
                ],
            },
        ),
    ]
