"""A typed client, generated from the OpenAPI document, passes ``mypy --strict`` and works on a live server."""

import os
import sys
from pathlib import Path

import pytest

from jobs.api.openapi import DOCUMENT
from jobs.models import Job
from tests.support import environments
from tests.support.http_server import Site

# What an integrator writes.
PROGRAM = """
import sys

from jobs_client import AuthenticatedClient
from jobs_client.api.jobs import cancel_job, create_job, get_job, list_jobs
from jobs_client.models import Error, JobAnswer, JobDetailsAnswer, JobList, NewJobRequest, StatusEnum

address, project_key, secret = sys.argv[1:]
client = AuthenticatedClient(base_url=f"{address}/public", token=secret)

created = create_job.sync(
    project_key, client=client, body=NewJobRequest(action="touch_publicly", reference_id="ana@example.com")
)
assert isinstance(created, JobAnswer), created
job_id = created.data.job_id

listed = list_jobs.sync(project_key, client=client, limit=5)
assert isinstance(listed, JobList), listed
assert [job.job_id for job in listed.data] == [job_id]

read = get_job.sync(project_key, job_id, client=client)
assert isinstance(read, JobDetailsAnswer), read
assert read.data.status == StatusEnum.SCHEDULED
assert read.data.errors is None

cancelled = cancel_job.sync(project_key, job_id, client=client)
assert isinstance(cancelled, JobAnswer), cancelled
assert cancelled.data.status == StatusEnum.CANCELLED

refused = cancel_job.sync(project_key, job_id, client=client)
assert isinstance(refused, Error), refused
assert refused.code == "transition_refused"
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the package ``jobs_client`` and a program that uses it."""
    directory = tmp_path_factory.mktemp("client")
    config = directory / "config.yml"
    config.write_text("package_name_override: jobs_client\nproject_name_override: jobs-client\npost_hooks: []\n")
    command = ["-m", "openapi_python_client", "generate", "--path", str(DOCUMENT), "--config", str(config)]
    printed = run(directory, *command, "--output-path", "out", "--meta", "none", "--overwrite")
    assert "WARNING" not in printed.upper(), printed
    (directory / "out").rename(directory / "jobs_client")
    (directory / "program.py").write_text(PROGRAM)
    return directory


def run(directory: Path, *arguments: str) -> str:
    return environments.run([sys.executable, *arguments], cwd=directory, env={**os.environ, "NO_PROXY": "*"})


def test_the_client_and_a_program_that_uses_it_are_typed_strictly(client: Path):
    run(client, "-m", "mypy", "--strict", "--cache-dir", str(client / "cache"), "program.py", "jobs_client")


def test_the_client_works_on_a_live_server(client: Path, site: Site):
    run(client, "program.py", site.address, site.project_key, site.secret)

    assert Job.objects.get().status == "cancelled"
