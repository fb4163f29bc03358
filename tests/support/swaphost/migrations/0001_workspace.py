"""The host's projects."""

import uuid

import django.db.models.deletion
import jobs.models.project
from django.db import migrations, models

import tests.support.swaphost.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("jobs", "0001_organization"),
    ]

    operations = [
        migrations.CreateModel(
            name="Workspace",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("public_id", models.BigIntegerField(default=tests.support.swaphost.models.make_public_id, unique=True)),
                ("key", models.CharField(default=jobs.models.project.make_project_key, max_length=40, unique=True)),
                ("name", models.CharField(max_length=100)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="workspaces",
                        to="jobs.organization",
                    ),
                ),
            ],
        ),
    ]
