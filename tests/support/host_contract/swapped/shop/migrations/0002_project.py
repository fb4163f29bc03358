"""The host's projects, which come late to its app."""

import uuid

import django.db.models.deletion
import jobs.models.project
import shop.models
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0001_initial"),
        ("jobs", "0001_organization"),
    ]
    run_before = [("jobs", "0002_jobs")]

    operations = [
        migrations.CreateModel(
            name='Project',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('public_id', models.BigIntegerField(default=shop.models.make_public_id, unique=True)),
                ('key', models.CharField(default=jobs.models.project.make_project_key, max_length=40, unique=True)),
                ('name', models.CharField(max_length=100)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='jobs.organization')),
            ],
        ),
    ]
