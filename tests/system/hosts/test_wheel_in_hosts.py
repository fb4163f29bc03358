"""The wheel, in hosts outside the source tree that do what the README says: migrations, contract, a job to its end."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.settings import TEST_RUN
from tests.support.environments import install, make_environment, required_python, run
from tests.support.host_projects import build_wheel, copy_host, postgresql_database, sqlite_database
from tests.support.interpreters import REQUIRED
from tests.support.postgres import Server

pytestmark = pytest.mark.timeout(600)

TYPES: Final = ["mypy>=1.16", "django-stubs>=5.2", "djangorestframework-stubs>=3.16"]
# A program of a host's that uses all that is public, as a type checker sees it.
TYPED: Final = """
from datetime import timedelta

from django.dispatch import receiver
from rest_framework.request import Request

from jobs import JobContext, JobFailed, Status, action, cancel_job, get_job, list_jobs, schedule_job
from jobs.actors import Actor
from jobs.api.authentication import Caller
from jobs.exceptions import ActiveJobExists, JobNotFound
from jobs.models import Job, Organization, Project
from jobs.signals import job_finished
from jobs.testing import make_api_key, make_job, make_project, run_due_jobs


@action("tidy", description="Tidy {reference_id}", backoff=timedelta(seconds=5), databases=("default",))
def tidy(job: JobContext) -> None:
    with job.chunk() as chunk:
        chunk.add("rooms", 1)
    if job.attempt > 1:
        raise JobFailed(f"{job.id}")


def use(project: Project) -> list[int]:
    try:
        job: Job = schedule_job("tidy", project=project, reference_id="kitchen", parameters={"floor": 1})
    except ActiveJobExists as error:
        job = error.job
    status: Status = Status(cancel_job(job.pk, project=project, reason="clean already").status)
    assert status.is_final
    return [found.pk for found in list_jobs(project=project)] + [get_job(1, project=project).pk]


@receiver(job_finished, sender=Job)
def note(*, job: Job, status: Status, **_: object) -> None:
    print(job.pk, status.value)


def caller(organization: Organization) -> Caller:
    return Caller(organization=organization, scopes=["read"], actor=Actor(kind="user", name="7"))


def find(request: Request, project_key: str) -> Project | None:
    return Project.objects.filter(key=project_key).first()


def check() -> str:
    make_job("tidy", project=make_project())
    ran: list[Job] = run_due_jobs()
    return make_api_key().secret + str(ran[0].pk) + JobNotFound.code
"""
WRONG: Final = "from jobs import schedule_job\n\nschedule_job(1, project=None)\n"
PYPROJECT: Final = """
[tool.mypy]
strict = true
exclude = ["/migrations/"]
plugins = ["mypy_django_plugin.main", "mypy_drf_plugin.main"]

[tool.django-stubs]
django_settings_module = "plain.settings"
"""


@pytest.fixture(scope="module", params=REQUIRED, ids=str)
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python of its own, with the wheel as its README says to install it."""
    interpreter = required_python(request.param)
    directory = tmp_path_factory.mktemp("wheel")
    wheel = build_wheel(directory)
    packages = [f"{wheel}[postgres]", request.param.django]
    return make_environment(directory / "environment", python=interpreter, packages=packages)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, object]]:
    """What a host has in ``DATABASES``: a file, or a database on the suite's server."""
    if request.param == "sqlite":
        yield sqlite_database(tmp_path)
        return
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        pytest.skip("this run has no PostgreSQL; make check has")
    with Server(url=url, version="", origin="the suite's").new_database(f"test_jobs_{TEST_RUN}") as fresh:
        yield postgresql_database(fresh)


@pytest.mark.parametrize("name", ["plain", "swapped"])
def test_a_host_that_follows_the_readme_runs_a_job_to_its_end(
    name: str, python: Path, database: dict[str, object], tmp_path: Path
):
    host = copy_host(name, tmp_path, python=python, database=database)

    assert "site-packages" in host.run("-c", "import jobs; print(jobs.__file__)")
    assert "no issues" in host.manage("check", "--fail-level", "WARNING")
    assert "No changes detected" in host.manage("makemigrations", "--check", "--dry-run")
    for step in (("migrate",), ("migrate", "jobs", "zero"), ("migrate",)):
        host.manage(*step, "--verbosity", "0")
    printed = host.console()
    project_key, secret = key_in(r"\b([0-9A-Za-z]{20})\b", printed), key_in(r"\b(jsk_[0-9A-Za-z]{38})\b", printed)
    settings, wsgi = f"{name}.settings", f"{name}.wsgi"
    host.run("people.py", settings, "record", project_key)

    assert host.run("contract.py", wsgi, project_key, secret, "before") == "kept\n"
    host.manage("jobworker", "--drain")
    assert host.run("contract.py", wsgi, project_key, secret, "after") == "kept\n"
    assert host.run("people.py", settings, "left") == "shekar@example.com,shekar@example.com 2\n"
    assert host.run("staff.py", settings, {"plain": "en-us", "swapped": "de"}[name]) == "kept\n"
    assert "no issues" in host.manage("check", "--database", "default", "--fail-level", "WARNING")


def key_in(pattern: str, text: str) -> str:
    (found,) = set(re.findall(pattern, text))
    return str(found)


def test_a_host_that_changes_its_project_model_gets_an_error(python: Path, tmp_path: Path):
    host = copy_host("swapped", tmp_path, python=python, database=sqlite_database(tmp_path))
    host.manage("migrate", "--verbosity", "0")
    settings = host.directory / "swapped" / "settings.py"
    settings.write_text(settings.read_text().replace('JOBS_PROJECT_MODEL = "shop.Project"', ""))

    with pytest.raises(AssertionError, match=r"jobs\.E008.*JOBS_PROJECT_MODEL is jobs\.Project.*shop_project"):
        host.manage("migrate")


def test_a_host_is_typed_strictly_against_the_wheel(python: Path, tmp_path: Path):
    install(python, TYPES)
    host = copy_host("plain", tmp_path, python=python, database=sqlite_database(tmp_path))
    (host.directory / "pyproject.toml").write_text(PYPROJECT)
    (host.directory / "shop" / "typed.py").write_text(TYPED)
    environment = {**host.environment, "PYTHONWARNINGS": ""}
    command = [str(python), "-m", "mypy", "--strict", "plain", "shop"]

    run(command, cwd=host.directory, env=environment)
    (host.directory / "shop" / "typed.py").write_text(WRONG)

    with pytest.raises(AssertionError, match=r"Missing named argument .reference_id."):
        run(command, cwd=host.directory, env=environment)
