"""The steps of ``docs/how-to/project-model.md`` taken one by one in hosts that are written as the page says."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.doc_pages import snippet
from tests.support.empty_database import empty_database, run
from tests.support.source import ROOT

PAGE: Final = "project-model"
SETTINGS: Final = """
import os
from tests.settings import *
from tests.settings import INSTALLED_APPS
INSTALLED_APPS = [*(app for app in INSTALLED_APPS if app not in ("jobsite", "tests.support.hostapp")), "shop"]
ROOT_URLCONF = "host_urls"
"""
URLS: Final = 'from django.urls import include, path\nurlpatterns = [path("public/", include("jobs.api.urls"))]\n'
BEFORE: Final = """
from uuid import uuid4
from django.db import models

class Project(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    name = models.CharField(max_length=100)
"""

pytestmark = pytest.mark.timeout(300)


class Host:
    """A project in a directory, on a database of its own."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.shop = directory / "shop"
        self._variables = {"DATABASE_URL": url, "PYTHONPATH": f"{ROOT}{os.pathsep}{directory}"}
        self._variables["PYTHONDONTWRITEBYTECODE"] = "1"
        (self.shop / "migrations").mkdir(parents=True)
        for path in (self.shop / "__init__.py", self.shop / "migrations" / "__init__.py"):
            path.touch()
        (directory / "host_urls.py").write_text(URLS)
        self.set("")

    def set(self, settings: str) -> None:
        (self.directory / "host_settings.py").write_text(SETTINGS + settings)

    def write(self, models: str) -> None:
        (self.shop / "models.py").write_text(models)

    def manage(self, *arguments: str) -> str:
        """Run ``manage.py`` to its good end; return all that it printed."""
        done = run("manage.py", *arguments, settings="host_settings", **self._variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def complaint(self, *arguments: str) -> str:
        """Run ``manage.py``, which must refuse; return what it says."""
        done = run("manage.py", *arguments, settings="host_settings", **self._variables)
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr

    def migration(self, start: str) -> Path:
        (path,) = (self.shop / "migrations").glob(f"{start}*.py")
        return path

    def mend(self, start: str) -> None:
        """Let a migration depend on the first one of ``jobs``, as the page says."""
        line = snippet(PAGE, "shop/migrations: dependencies").splitlines()[1]
        (mended,) = re.findall(r"^dependencies = \[(.*)\]$", line)
        path = self.migration(start)
        text, count = re.subn(r"\('jobs', '[0-9]{4}_\w+'\)", mended, path.read_text())
        assert count == 1
        path.write_text(text)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with empty_database(tmp_path) as url:
        yield Host(tmp_path, url)


def setting() -> str:
    return snippet(PAGE, "settings.py")


@pytest.mark.parametrize("title", ["shop/models.py: derived", "shop/models.py: its own"])
def test_a_new_model_follows_the_page(title: str, host: Host):
    host.write(snippet(PAGE, title))
    host.set(setting())
    host.manage("makemigrations", "shop")

    circle = host.complaint("check")
    host.mend("0001")
    host.manage("migrate", "--verbosity", "0")
    made = host.manage("createproject", "Web shop", "--organization", "Acme")

    assert "jobs.E003" in circle
    assert re.search(r"projectId:\s+[0-9]+\nprojectKey: [0-9A-Za-z]{20}", made)
    assert "No changes" in host.manage("makemigrations", "--check", "--dry-run")
    host.set("")
    assert "jobs.E008" in host.complaint("migrate")


def test_a_project_that_comes_late_says_so(host: Host):
    host.write("from django.db import models\n\nclass Region(models.Model):\n    pass\n")
    host.manage("makemigrations", "shop")
    host.write((host.shop / "models.py").read_text() + snippet(PAGE, "shop/models.py: its own"))
    host.set(setting())
    host.manage("makemigrations", "shop")
    host.mend("0002")

    late = host.complaint("check")
    run_before = snippet(PAGE, "shop/migrations: a project that comes late").splitlines()[1]
    path = host.migration("0002")
    path.write_text(path.read_text().replace("    operations = [", f"    {run_before}\n\n    operations = [", 1))

    assert "jobs.E003" in late
    assert "no issues" in host.manage("check")
    host.manage("migrate", "--verbosity", "0")


def test_a_model_that_has_rows_gets_its_fields_in_three_steps(host: Host):
    host.write(BEFORE)
    host.manage("makemigrations", "shop")
    host.manage("migrate", "shop", "--verbosity", "0")
    host.manage("shell", "--command", 'from shop.models import Project; [Project.objects.create(name=n) for n in "ab"]')
    final = snippet(PAGE, "shop/models.py: its own")
    host.set(setting())

    host.write(_nullable(final))
    host.manage("makemigrations", "shop", "--name", "jobs_of_projects")
    host.mend("0002")
    fill = snippet(PAGE, "shop/migrations/0003_fill_projects.py")
    (host.shop / "migrations" / "0003_fill_projects.py").write_text(fill)
    host.write(final)
    host.manage("makemigrations", "shop", "--no-input")
    host.manage("migrate", "--verbosity", "0")

    show = "from shop.models import Project; print([(p.name, p.organization.name) for p in Project.objects.all()])"
    assert sorted(_last_list(host.manage("shell", "--verbosity", "0", "--command", show))) == [("a", "a"), ("b", "b")]
    assert "No changes" in host.manage("makemigrations", "--check", "--dry-run")


def _nullable(models: str) -> str:
    """Return the models with the three new fields as the first step has them: empty where there was none."""
    lines = models.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.lstrip().startswith(("organization =", "key =", "public_id =")):
            bare = re.sub(r", default=\w+", "", line)
            lines[number] = bare.replace(")\n", ", null=True)\n")
    return "".join(lines)


def _last_list(printed: str) -> Any:
    return ast.literal_eval(printed.strip().splitlines()[-1])
