"""A host in a directory, on a database of its own, that is written as a page of the documentation says."""

import os
import re
from pathlib import Path
from typing import Final
from uuid import uuid4

from tests.settings import TEST_RUN
from tests.support.doc_pages import snippet
from tests.support.empty_database import run
from tests.support.source import ROOT

SETTINGS: Final = """
import os
from tests.settings import *
from tests.settings import INSTALLED_APPS
INSTALLED_APPS = [*(app for app in INSTALLED_APPS if app not in ("jobsite", "tests.support.hostapp")), "shop"]
ROOT_URLCONF = "host_urls"
"""
URLS: Final = 'from django.urls import include, path\nurlpatterns = [path("public/", include("jobs.api.urls"))]\n'


class Host:
    """A project in a directory, on a database of its own."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.shop = directory / "shop"
        self._variables = {"DATABASE_URL": url, "PYTHONPATH": f"{ROOT}{os.pathsep}{directory}"}
        # `manage.py test` makes a database of its own; tests.run drops all that begin so.
        self._variables |= {"PYTHONDONTWRITEBYTECODE": "1", "TEST_RUN": f"{TEST_RUN}_{uuid4().hex[:6]}"}
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
        line = snippet("project-model", "shop/migrations: dependencies").splitlines()[1]
        (mended,) = re.findall(r"^dependencies = \[(.*)\]$", line)
        path = self.migration(start)
        text, count = re.subn(r"\('jobs', '[0-9]{4}_\w+'\)", mended, path.read_text())
        assert count == 1
        path.write_text(text)

    def come_before_jobs(self, start: str) -> None:
        """Let a migration come before the jobs, as the page says."""
        run_before = snippet("project-model", "shop/migrations: a project that comes late").splitlines()[1]
        path = self.migration(start)
        path.write_text(path.read_text().replace("    operations = [", f"    {run_before}\n\n    operations = [", 1))
