"""Makes rows for tests: valid by default; a test passes only the columns that matter to it."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final
from uuid import uuid4

from django.utils import timezone

from jobs import get_project_model
from jobs.actors import Actor
from jobs.lifecycle.statements import Fence
from jobs.models import Job, Organization, Worker
from jobs.services.tenants.api_keys import NewKey, create_api_key
from jobs.status import Status

LONG_AGO: Final = datetime(2025, 1, 1, 12, tzinfo=UTC)
WORKER: Final = Actor(kind="worker", name="host:1:aaaa")

_number: Final = count(1)


def make_organization(**columns: Any) -> Organization:
    return Organization.objects.create(**{"name": f"Organization {next(_number)}", **columns})


def make_project(**columns: Any) -> Any:
    organization = columns.pop("organization", None) or make_organization()
    name = f"Project {next(_number)}"
    return get_project_model()._default_manager.create(**{"organization": organization, "name": name, **columns})


def make_key(**columns: Any) -> NewKey:
    """Make an API key; ``.secret`` is what a client sends. Takes what ``create_api_key`` takes."""
    organization = columns.pop("organization", None) or make_organization()
    return create_api_key(organization=organization, **columns)


def make_job(*, status: Status = Status.SCHEDULED, **columns: Any) -> Job:
    """Insert a job in any status, without events; its other columns fit that status."""
    values = {
        "action": "touch",
        "reference_id": f"user-{next(_number)}@example.com",
        "description": "Touch a user",
        "created_at": LONG_AGO,
        "start_at": LONG_AGO,
        "due_at": LONG_AGO,
        **_columns_of(status),
        **columns,
    }
    if "project" not in values and "project_id" not in values:
        values["project"] = make_project()
    return Job.objects.create(status=status.value, **values)


def make_worker(name: str = "host:1:aaaa", *, beat: float = 0, **columns: Any) -> Worker:
    """Insert a worker that began an hour ago, and whose last heartbeat was ``beat`` seconds ago."""
    now = timezone.now()
    times = {"started_at": now - timedelta(hours=1), "beat_at": now - timedelta(seconds=beat)}
    return Worker.objects.create(name=name, **{**times, **columns})


def make_running_job(**columns: Any) -> Job:
    """Insert a job that a worker has begun and whose lease has not run out."""
    return make_job(status=Status.RUNNING, **columns)


def fence_of(job: Job) -> Fence:
    """Return the fence of the job's worker; one with a wrong token if the job has no lease."""
    return Fence(job_id=job.pk, lease_token=job.lease_token or uuid4())


def _columns_of(status: Status) -> dict[str, Any]:
    if status is Status.SCHEDULED:
        return {}
    instants = {"updated_at": LONG_AGO, "started_at": LONG_AGO, "begun_at": LONG_AGO}
    claimed = {**instants, "attempt": 1, "worker": WORKER.name}
    if status is Status.RUNNING:
        return {**claimed, "lease_token": uuid4(), "lease_expires_at": timezone.now() + timedelta(seconds=45)}
    errors = "It went wrong." if status is Status.FAILED else None
    return {**claimed, "finished_at": LONG_AGO, "errors": errors}


def make_due_jobs(project: Any, count: int, *, due_at: datetime = LONG_AGO) -> None:
    """Insert jobs due a millisecond after each other."""
    waiting = {"project": project, "action": "touch", "reference_id": "a", "created_at": LONG_AGO, "start_at": due_at}
    due = (due_at + timedelta(milliseconds=number) for number in range(count))
    Job.objects.bulk_create([Job(due_at=at, **waiting) for at in due], batch_size=1_000)
