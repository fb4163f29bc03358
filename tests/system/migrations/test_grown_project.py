"""A project model whose table has rows before ``jobs`` comes: the README's step 4 for it."""

import json
from pathlib import Path
from typing import Final

import pytest

from tests.support.empty_database import empty_database, host_migrations, run
from tests.support.source import ROOT

pytestmark = pytest.mark.uses_database

SETTINGS: Final = """
from tests.settings_swapped import *
MIGRATION_MODULES = {"swaphost": "host_migrations"}
"""
HEAD: Final = """
import uuid
import django.db.models.deletion
from django.db import migrations, models
import jobs.models
import tests.support.swaphost.models

def fill(apps, schema_editor):
    acme = apps.get_model("jobs", "Organization").objects.create(name="Acme")
    for workspace in apps.get_model("swaphost", "Workspace").objects.all():
        workspace.organization, workspace.key = acme, jobs.models.make_project_key()
        workspace.save()

OWNER = {"to": "jobs.organization", "on_delete": django.db.models.deletion.PROTECT, "related_name": "workspaces"}
KEY = {"max_length": 40, "unique": True}

class Migration(migrations.Migration):
"""
OLD: Final = """
    initial = True
    operations = [
        migrations.CreateModel("Workspace", [
            ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
            ("public_id", models.BigIntegerField(default=tests.support.swaphost.models.make_public_id, unique=True)),
            ("name", models.CharField(max_length=100)),
        ]),
    ]
"""
# It depends on the newest of `jobs`, as makemigrations writes it.
ADDED: Final = """
    dependencies = [("swaphost", "0001_old"), ("jobs", "0012_blocks")]
    operations = [
        migrations.AddField("workspace", "organization", models.ForeignKey(null=True, **OWNER)),
        migrations.AddField("workspace", "key", models.CharField(null=True, **KEY)),
    ]
"""
FILLED: Final = """
    dependencies = [("swaphost", "0002_added")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
"""
REQUIRED: Final = """
    dependencies = [("swaphost", "0003_filled")]
    operations = [
        migrations.AlterField("workspace", "organization", models.ForeignKey(**OWNER)),
        migrations.AlterField("workspace", "key", models.CharField(default=jobs.models.make_project_key, **KEY)),
    ]
"""
NOW: Final = {"0002_added": ADDED, "0003_filled": FILLED, "0004_required": REQUIRED}
RECORD: Final = """
import django
django.setup()
from django.db import connection
with connection.cursor() as cursor:
    for number in (1, 2):
        columns = "INSERT INTO swaphost_workspace (id, public_id, name) VALUES (%s, %s, %s)"
        cursor.execute(columns, [f"{number:032x}", number, "Shop"])
"""
SCHEDULE: Final = """
import django, json
django.setup()
from jobs import get_project_model, schedule_job
projects = get_project_model().objects.order_by("public_id")
jobs = [schedule_job("touch", project=project, reference_id="x") for project in projects]
print(json.dumps([[job.project.organization.name, job.project.key] for job in jobs]))
"""


def test_projects_that_are_there_already_get_an_organization_and_a_key(tmp_path: Path):
    package = host_migrations(tmp_path, SETTINGS)

    def do(*arguments: str) -> str:
        variables = {"DATABASE_URL": url, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
        done = run(*arguments, settings="host_settings", **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    with empty_database(tmp_path) as url:
        (package / "0001_old.py").write_text(HEAD + OLD)
        # The model has its organization already, which a host adds only later; jobs.E012 would say so.
        do("manage.py", "migrate", "swaphost", "--verbosity", "0", "--skip-checks")
        do("-c", RECORD)
        for name, body in NOW.items():
            (package / f"{name}.py").write_text(HEAD + body)
        do("manage.py", "migrate", "--verbosity", "0")
        do("manage.py", "makemigrations", "--check", "--dry-run")
        do("manage.py", "check", "--database", "default", "--fail-level", "WARNING")
        scheduled = json.loads(do("-c", SCHEDULE))

    assert [owner for owner, _ in scheduled] == ["Acme", "Acme"]
    assert len({key for _, key in scheduled if len(key) == 20}) == 2
