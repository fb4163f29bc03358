"""``docs/how-to/project-model.md`` for a model that has rows: from a host without the app to a job that completed."""

import ast
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.doc_pages import commands, snippet
from tests.support.empty_database import empty_database
from tests.support.page_host import Host

PAGE: Final = "project-model"
# The host before it knows of the app, and tests that it has had for long.
WITHOUT_JOBS: Final = """
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "shop"]
MIDDLEWARE = []
ROOT_URLCONF = "shop.urls"
"""
OWN_TESTS: Final = """
from django.contrib.auth.models import User
from django.test import TestCase
from shop.models import Project

class OwnTests(TestCase):
    def test_an_owner_opens_a_shop_and_renames_it(self):
        project = Project.objects.create(name="a", slug="a", owner=User.objects.create_user("o"))
        project.name = "b"
        project.save()
        self.assertEqual(list(Project.objects.values_list("name", "slug")), [("b", "a")])
"""
ROWS: Final = """
from django.contrib.auth.models import User
from shop.models import Project
for name in ("mehdi", "shekar"):
    owner = User.objects.create_user(name)
    for number in (1, 2):
        Project.objects.create(name=f"Shop {number}", slug=f"{name}-{number}", owner=owner)
"""
ACTION: Final = """
from jobs import action

@action("touch", description="Touch {reference_id}")
def touch(job):
    assert job.project.slug == "web-shop"
"""
SCHEDULE: Final = """
from jobs import schedule_job
from shop.models import Project
schedule_job("touch", project=Project.objects.get(slug="web-shop"), reference_id="x")
"""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with empty_database(tmp_path) as url:
        yield Host(tmp_path, url)


def on_page(start: str) -> list[str]:
    """Return the page's only command that begins so, as arguments of ``manage.py``."""
    (found,) = {line for page, line in commands() if page == PAGE and line.startswith(start)}
    return shlex.split(found)


def models(title: str) -> str:
    """Return a state of the models; a snippet that shows the class alone has the imports of the first."""
    text = snippet(PAGE, title)
    imports = snippet(PAGE, "shop/models.py: as it was").partition("class ")[0]
    return text if "import" in text else imports + text


def rows(host: Host, sql: str) -> Any:
    """Return the rows of a query that Django's models have no part in."""
    program = f"from django.db import connection as c\nwith c.cursor() as s: s.execute({sql!r}); print(s.fetchall())"
    return parsed(host.manage("shell", "--verbosity", "0", "--command", program))


def parsed(printed: str) -> Any:
    return ast.literal_eval(printed.strip().splitlines()[-1])


def be_without_jobs(host: Host) -> None:
    host.set(WITHOUT_JOBS)
    (host.shop / "urls.py").write_text("urlpatterns = []\n")


def begin(host: Host) -> None:
    host.write(models("shop/models.py: as it was"))
    be_without_jobs(host)
    (host.shop / "test_own.py").write_text(OWN_TESTS)
    host.manage("makemigrations", "shop")
    host.manage("migrate", "--verbosity", "0")
    host.manage("shell", "--command", ROWS)


def test_a_host_with_rows_and_tests_goes_the_whole_way_to_a_job_that_completed(host: Host):
    begin(host)
    host.manage("test", "shop")

    host.set(snippet(PAGE, "settings.py"))
    host.write(models("shop/models.py: fields that may be empty"))
    host.manage(*on_page("makemigrations shop --name jobs"))
    host.mend("0002")
    fill = snippet(PAGE, "shop/migrations/0003_fill_projects.py")
    (host.shop / "migrations" / "0003_fill_projects.py").write_text(fill)
    host.write(models("shop/models.py: fields that are required"))
    host.manage(*on_page("makemigrations shop --name required"))
    assert "no issues" in host.manage("check")
    host.manage("migrate", "--verbosity", "0")
    (host.shop / "tests.py").write_text(snippet(PAGE, "shop/tests.py"))
    host.manage("test", "shop", "--pattern", "test*.py")
    host.manage(*on_page('createproject "'))
    (host.shop / "job_actions.py").write_text(ACTION)
    host.manage("shell", "--command", SCHEDULE)
    host.manage("jobworker", "--drain")

    assert "No changes" in host.manage("makemigrations", "--check", "--dry-run")
    owned = (
        "SELECT o.name, count(DISTINCT p.key) FROM shop_project p JOIN jobs_organization o ON p.organization_id = o.id"
    )
    assert sorted(rows(host, f"{owned} GROUP BY o.name")) == [("Acme", 1), ("Customer 1", 2), ("Customer 2", 2)]
    assert rows(host, "SELECT status FROM jobs_job") == [("completed",)]


def test_a_project_whose_migration_is_applied_gets_its_order_from_the_new_one(host: Host):
    host.write("from django.db import models\n\nclass Region(models.Model):\n    pass\n")
    be_without_jobs(host)
    host.manage("makemigrations", "shop")
    host.write(f"{models('shop/models.py: as it was')}\nclass Region(models.Model):\n    pass\n")
    host.manage("makemigrations", "shop", "--name", "project")
    host.manage("migrate", "--verbosity", "0")
    applied = host.migration("0002").read_text()

    host.set(snippet(PAGE, "settings.py"))
    host.write(f"{models('shop/models.py: fields that may be empty')}\nclass Region(models.Model):\n    pass\n")
    early = host.complaint("migrate")
    host.manage(*on_page("makemigrations shop --name jobs"))
    host.mend("0003")
    refused = host.complaint("check")
    host.come_before_jobs("0003")

    assert "jobs.E012" in early
    assert "Write run_before = [('jobs', '0002_jobs')] in shop.0003_jobs_of_projects" in refused
    assert "no issues" in host.manage("check")
    host.manage("migrate", "--verbosity", "0")
    assert host.migration("0002").read_text() == applied


def test_createproject_names_the_fields_that_are_missing_and_those_that_are_wrong(host: Host):
    host.set(snippet(PAGE, "settings.py"))
    host.write(models("shop/models.py: fields that are required"))
    host.manage("makemigrations", "shop")
    host.mend("0001")
    host.manage("migrate", "--verbosity", "0")
    project = ("createproject", "Web shop", "--organization", "Acme")

    missing = host.complaint(*project)
    unknown = host.complaint(*project, "--field", "colour=red")
    wrong = host.complaint(*project, "--field", "slug=web-shop", "--field", "owner=7")

    assert "slug, owner: is required by shop.Project" in missing
    assert "colour: is no field of shop.Project" in unknown
    assert "owner: user instance with id 7" in wrong
    assert rows(host, "SELECT count(*) FROM jobs_organization") == [(0,)]
