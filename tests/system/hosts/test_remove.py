"""``docs/how-to/remove.md``, step by step: a host that has used the app keeps nothing of it but its own rows."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.doc_pages import PAGES, commands, snippet
from tests.support.empty_database import empty_database
from tests.support.page_host import Host

PAGE: Final = "remove"
APPS: Final = '["django.contrib.auth", "django.contrib.contenttypes", "shop"]'
WITH_JOBS: Final = f"""
INSTALLED_APPS = [*{APPS}, "rest_framework", "django_filters", "jobs"]
JOBS_PROJECT_MODEL = "shop.Project"
"""
WITHOUT_JOBS: Final = f'INSTALLED_APPS = {APPS}\nMIDDLEWARE = []\nROOT_URLCONF = "shop.urls"\n'
BEFORE: Final = """
from django.db import models

class Project(models.Model):
    name = models.CharField(max_length=100)
"""
FIELDS: Final = """
    organization = models.ForeignKey("jobs.Organization", on_delete=models.PROTECT, related_name="+", null=True)
    key = models.CharField(max_length=20, unique=True, null=True, default=make_project_key)
"""
USED: Final = f"from jobs.models import make_project_key\n{BEFORE}{FIELDS}"
ACTION: Final = """
from jobs import action

@action("touch", description="Touch {reference_id}")
def touch(job):
    pass
"""
USE: Final = """
from jobs import create_project, schedule_job
schedule_job("touch", project=create_project("Web shop", organization="Acme"), reference_id="x")
"""
TRACES: Final = """
from django.db import connection as c
with c.cursor() as s:
    found = {name for name in c.introspection.table_names(s) if name.startswith("jobs")}
    for sql in (
        "SELECT name FROM django_migrations WHERE app = 'jobs'",
        "SELECT model FROM django_content_type WHERE app_label = 'jobs'",
        "SELECT codename FROM auth_permission WHERE codename LIKE '%_job'",
    ):
        s.execute(sql)
        found |= {row[0] for row in s.fetchall()}
    columns = sorted(column.name for column in c.introspection.get_table_description(s, "shop_project"))
    s.execute("SELECT name FROM shop_project")
    print([sorted(found), columns, s.fetchall()])
"""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host that has used the app: its project is older, its second migration gave it an organization."""
    with empty_database(tmp_path) as url:
        host = Host(tmp_path, url)
        (host.shop / "urls.py").write_text("urlpatterns = []\n")
        host.set(WITHOUT_JOBS)
        host.write(BEFORE)
        host.manage("makemigrations", "shop")
        host.manage("migrate", "--verbosity", "0")
        host.set(WITH_JOBS)
        host.write(USED)
        host.manage("makemigrations", "shop", "--name", "jobs_of_projects", "--no-input")
        host.mend("0002")
        host.manage("migrate", "--verbosity", "0")
        (host.shop / "job_actions.py").write_text(ACTION)
        host.manage("shell", "--command", USE)
        host.manage("jobworker", "--drain")
        host.manage("createroles")
        yield host


def run_step(host: Host, first: str) -> list[str]:
    """Run the console block of the page that begins so; return what each command printed."""
    blocks = re.findall(r"^ *```console\n(.*?)^ *```", PAGES[PAGE].read_text(), re.MULTILINE | re.DOTALL)
    (block,) = (block for block in blocks if block.strip().startswith(f"manage.py {first}"))
    return [host.manage(*shlex.split(line)[1:]) for line in block.strip().splitlines()]


def test_what_the_page_warns_of_is_true(host: Host):
    (line,) = {line for page, line in commands() if page == PAGE and line == "migrate jobs zero --plan"}

    assert "shop.0002_jobs_of_projects" in host.manage(*shlex.split(line))


def test_a_host_that_takes_the_app_out_keeps_its_own_rows_and_nothing_else(host: Host):
    # The first release.
    (host.shop / "job_actions.py").unlink()
    host.write(BEFORE)
    run_step(host, "makemigrations shop --name without_jobs")

    # The second release.
    left = snippet("remove", "shop/migrations/0002_jobs_of_projects.py")
    host.migration("0002").write_text(left)
    host.migration("0003").write_text(left.replace("0001_initial", "0002_jobs_of_projects"))
    unchanged, plan, _ = run_step(host, "makemigrations --check")
    host.set(WITHOUT_JOBS)
    run_step(host, "remove_stale_contenttypes")

    assert "No changes" in unchanged
    assert "shop." not in plan
    printed = host.manage("shell", "--verbosity", "0", "--command", TRACES)
    assert printed.strip() == "[[], ['id', 'name'], [('Web shop',)]]"
    assert "no issues" in host.manage("check")
    # A new database needs no trace of the app either.
    assert "OK" in host.manage("test", "shop")
    assert not [path for path in host.shop.rglob("*.py") if "import jobs" in path.read_text()]
