"""Rows for tests: valid as they are, and different only in what a test names."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final
from uuid import uuid4

from django.utils import timezone

from jobs import get_project_model
from jobs.actors import Actor
from jobs.lifecycle.statements import Fence
from jobs.models import Job, Organization
from jobs.services.tenants.api_keys import NewKey, create_api_key
from jobs.status import Status

LONG_AGO: Final = datetime(2025, 1, 1, 12, tzinfo=UTC)
WORKER: Final = Actor(kind="worker", name="host:1:aaaa")

_number: Final = count(1)


def make_organization(**what_matters: Any) -> Organization:
    return Organization.objects.create(**{"name": f"Organization {next(_number)}", **what_matters})


def make_project(**what_matters: Any) -> Any:
    organization = what_matters.pop("organization", None) or make_organization()
    name = f"Project {next(_number)}"
    return get_project_model()._default_manager.create(**{"organization": organization, "name": name, **what_matters})


def make_key(**what_matters: Any) -> NewKey:
    """Make an API key; ``.secret`` is what a client sends. Takes what ``create_api_key`` takes."""
    organization = what_matters.pop("organization", None) or make_organization()
    return create_api_key(organization=organization, **what_matters)


def make_job(*, status: Status = Status.SCHEDULED, **what_matters: Any) -> Job:
    """Insert a job in any status, without events; the other columns are such as that status has."""
    columns = {
        "action": "touch",
        "reference_id": f"user-{next(_number)}@example.com",
        "description": "Touch a user",
        "created_at": LONG_AGO,
        "start_at": LONG_AGO,
        "due_at": LONG_AGO,
        **_columns_of(status),
        **what_matters,
    }
    if "project" not in columns and "project_id" not in columns:
        columns["project"] = make_project()
    return Job.objects.create(status=status.value, **columns)


def make_running_job(**what_matters: Any) -> Job:
    """Insert a job that a worker holds, has begun, and whose lease lasts."""
    return make_job(status=Status.RUNNING, **what_matters)


def fence_of(job: Job) -> Fence:
    """Return what the job's worker knows it by; a wrong token if nobody holds it."""
    return Fence(job_id=job.pk, lease_token=job.lease_token or uuid4())


def _columns_of(status: Status) -> dict[str, Any]:
    if status is Status.SCHEDULED:
        return {}
    claimed = {
        "updated_at": LONG_AGO,
        "started_at": LONG_AGO,
        "begun_at": LONG_AGO,
        "attempt": 1,
        "worker": WORKER.name,
    }
    if status is Status.RUNNING:
        return {**claimed, "lease_token": uuid4(), "lease_expires_at": timezone.now() + timedelta(seconds=45)}
    errors = "It went wrong." if status is Status.FAILED else None
    return {**claimed, "finished_at": LONG_AGO, "errors": errors}
