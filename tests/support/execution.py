"""Runs attempts of jobs without a worker, and makes what they need: rows to erase, leases, contexts, actions."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn

from django.db import connection
from django.utils import timezone

from jobs import JobContext, JobFailed, actions
from jobs.execution import runner
from jobs.execution.leases import Lease
from jobs.models import Job
from jobs.status import Status
from jobs.tasks import HandOverFailed
from tests.support.factories import LONG_AGO, WORKER, fence_of, make_project, make_running_job
from tests.support.hostapp.models import Ledger, Recording, Visit

ANA: Final = "ana@example.com"
BEN: Final = "ben@example.com"

Handler = Callable[[JobContext], None]


def make_visits(owner: str, count: int) -> None:
    Visit.objects.bulk_create([Visit(owner=owner) for _ in range(count)], batch_size=5_000)


def make_recordings(owner: str, count: int) -> list[Recording]:
    rows = [Recording(owner=owner, payload="x" * 100) for _ in range(count)]
    return Recording.objects.bulk_create(rows, batch_size=5_000)


def visits_of(owner: str) -> Any:
    return Visit.objects.filter(owner=owner)


def ago(seconds: float) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)


def make_expired_job(**columns: Any) -> Job:
    return make_running_job(**{"lease_expires_at": ago(5), **columns})


def make_due_jobs(count: int, *, project: Any = None, **columns: Any) -> list[Job]:
    """Insert ``count`` due jobs of one project in one statement."""
    project = project or make_project()
    same = {"action": "touch", "reference_id": "a", "created_at": LONG_AGO, "start_at": LONG_AGO, "due_at": LONG_AGO}
    return Job.objects.bulk_create([Job(project=project, **{**same, **columns}) for _ in range(count)])


def lease_of(job: Job, stopping: threading.Event | None = None) -> Lease:
    return Lease(fence=fence_of(job), stopping=stopping or threading.Event())


def make_context(job: Job | None = None, **options: Any) -> JobContext:
    """Return the context that the action of a running job gets; ``options`` are those of ``@action``."""
    job = job or make_running_job()
    with registered_action(lambda context: None, name="no_work", **options) as name:
        action = actions.get_action(name)
        return JobContext(job, lease=lease_of(job), databases=action.databases, writes_outside=action.writes_outside)


def write_in_chunk(context: JobContext) -> None:
    """Insert one row into the ledger, in a chunk that counts it."""
    with context.chunk() as chunk:
        Ledger.objects.create(job_id=context.id)
        chunk.add("lines", 1)


def write_as_another_process(context: JobContext, write: Callable[[], Any]) -> None:
    """Call ``write`` while an action runs, without the guard that keeps the action itself from writing."""
    with context._guard.off():
        write()


@contextmanager
def registered_action(handler: Handler, name: str = "trial", **options: Any) -> Iterator[str]:
    """Register ``handler`` as an action until the block ends; yield its name."""
    register = actions.action(name, **{"description": "Try {reference_id}", **options})
    register(handler)
    try:
        yield name
    finally:
        del actions._registry[name]


class FakeEngine:
    """An engine that records the jobs it takes; it refuses those of the actions in ``refuses``."""

    def __init__(self) -> None:
        self.took: list[int] = []
        self.in_transaction: list[bool] = []
        self.refuses: set[str] = set()
        self.calls = 0

    def dispatch_many(self, jobs: Iterable[tuple[int, str]]) -> tuple[list[int], HandOverFailed | None]:
        taken: list[int] = []
        for job_id, action in jobs:
            self.calls += 1
            self.in_transaction.append(connection.in_atomic_block)
            if action in self.refuses:
                return taken, HandOverFailed(ConnectionError("amqp://guest:secret@broker is away"))
            taken.append(job_id)
            self.took.append(job_id)
        return taken, None


def refuse(context: JobContext) -> NoReturn:
    """Fail the job in the action's own words."""
    raise JobFailed("No.")


def stumble(context: JobContext) -> NoReturn:
    raise ValueError


def stop(context: JobContext) -> None:
    """Be told to shut down, and write."""
    context._lease.stopping.set()
    write_in_chunk(context)


def run_attempt(
    handler: Handler, job: Job | None = None, lease: Lease | None = None, **options: Any
) -> tuple[runner.AttemptResult, Job]:
    """Run one attempt of ``handler``; return the runner's answer and the row afterwards."""
    job = job or make_running_job(action="trial")
    with registered_action(handler, name=job.action, **options):
        ran = runner.run(job, lease=lease or lease_of(job), worker=WORKER)
    job.refresh_from_db()
    return ran, job


def claim_again(job: Job) -> Job:
    """Claim and begin a job that is back in the queue, whenever it is due."""
    token = fence_of(job).lease_token
    Job.objects.filter(pk=job.pk).update(due_at=job.created_at)
    (claimed,) = runner.transitions.claim(
        [job.pk], lease_token=token, worker=WORKER, lease=timedelta(seconds=45), begun_ids=[job.pk]
    )
    return claimed


def count_final_events(job: Job) -> int:
    """Count the events that ended the job; more than one is an error of the engine."""
    return job.events.filter(to_status__in=[status.value for status in Status if status.is_final]).count()


def last_event(job: Job) -> Any:
    return job.events.last()
