"""Every transition as one callable, for tests that go through all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from jobs.actors import Actor
from jobs.lifecycle import transitions
from jobs.lifecycle.statements import Fence
from jobs.models import Job, JobEvent
from jobs.status import Status
from tests.support.factories import WORKER, fence_of

T: Final = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
LEASE: Final = timedelta(seconds=45)
TOKEN: Final = UUID("12345678-1234-5678-1234-567812345678")
INTEGRATOR: Final = Actor(kind="key", name="jsk_3fG7a2Qx", request_id="request-7")


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One function of ``transitions``: from which statuses it moves a job, and where to."""

    name: str
    apply: Callable[[Job, Fence], bool]
    sources: frozenset[Status]
    target: Status
    # None: it changes no status and so leaves no event.
    what: JobEvent.What | None
    fenced: bool = True

    def __str__(self) -> str:
        return self.name


def _claim(job: Job, _: Fence) -> bool:
    return bool(transitions.claim([job.pk], lease_token=uuid4(), worker=WORKER, lease=LEASE, now=T))


def _renew(job: Job, by: Fence) -> bool:
    before = Job.objects.get(pk=job.pk).lease_expires_at
    transitions.renew([by], lease=timedelta(days=3650), now=T)
    return Job.objects.get(pk=job.pk).lease_expires_at != before


def _record(_: Job, by: Fence) -> bool:
    return transitions.record(by, receipt={"stores": {}}, done=3, total=9, lease=LEASE)


def _seen(job: Job) -> datetime:
    return job.lease_expires_at or T


def _rescue(job: Job, by: Fence) -> bool:
    return transitions.rescue(by, seen=_seen(job), begun=True, note="The lease ran out.", actor=WORKER, now=T)


def _give_up(job: Job, by: Fence) -> bool:
    return transitions.give_up(by, seen=_seen(job), errors="Given up.", actor=WORKER, now=T)


def _retry_later(_: Job, by: Fence) -> bool:
    wait = timedelta(seconds=30)
    return transitions.retry_later(by, wait=wait, errors="Once more.", worker=WORKER, detail="Trace", now=T).won


def _cancel(job: Job, _: Fence) -> bool:
    return transitions.cancel(job.pk, project=job.project, actor=INTEGRATOR, reason="Asked for.", now=T)


def _when_running(
    name: str, apply: Callable[[Job, Fence], Any], target: Status, what: JobEvent.What | None
) -> Transition:
    return Transition(name=name, apply=apply, sources=frozenset({Status.RUNNING}), target=target, what=what)


What = JobEvent.What
TRANSITIONS: Final = [
    Transition(
        name="claim",
        apply=_claim,
        sources=frozenset({Status.SCHEDULED}),
        target=Status.RUNNING,
        what=What.CLAIMED,
        fenced=False,
    ),
    _when_running("begin", lambda _, by: transitions.begin(by, now=T), Status.RUNNING, None),
    _when_running("renew", _renew, Status.RUNNING, None),
    _when_running("hold", lambda _, by: transitions.prove_fence(by, lease=LEASE, now=T), Status.RUNNING, None),
    _when_running("record", _record, Status.RUNNING, None),
    _when_running(
        "complete",
        lambda _, by: transitions.complete(by, worker=WORKER, now=T).won,
        Status.COMPLETED,
        What.COMPLETED,
    ),
    _when_running(
        "fail",
        lambda _, by: transitions.fail(by, errors="Broken.", worker=WORKER, detail="Trace", now=T).won,
        Status.FAILED,
        What.FAILED,
    ),
    _when_running("retry_later", _retry_later, Status.SCHEDULED, What.RETRYING),
    _when_running(
        "release",
        lambda _, by: transitions.release(by, worker=WORKER, note="The worker shut down.", now=T).won,
        Status.SCHEDULED,
        What.RELEASED,
    ),
    _when_running("rescue", _rescue, Status.SCHEDULED, What.RESCUED),
    _when_running("give_up", _give_up, Status.FAILED, What.FAILED),
    Transition(
        name="cancel",
        apply=_cancel,
        sources=frozenset({Status.SCHEDULED, Status.RUNNING}),
        target=Status.CANCELLED,
        what=What.CANCELLED,
        fenced=False,
    ),
]


def apply(transition: Transition, job: Job) -> bool:
    """Apply ``transition`` as whoever holds the job does."""
    return transition.apply(job, fence_of(job))


def row_of(job: Job) -> dict[str, Any]:
    """Return every column of the row as it stands in the database."""
    return Job.objects.filter(pk=job.pk).values().get()


def changes_of(job: Job, before: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that are not as they were, with their new values."""
    return {column: value for column, value in row_of(job).items() if value != before[column]}


def events_of(job: Job) -> list[dict[str, Any]]:
    """Return the job's events in order, without their ids."""
    columns = ("at", "what", "from_status", "to_status", "attempt", "actor", "request_id", "note", "detail")
    return list(JobEvent.objects.filter(job=job).order_by("id").values(*columns))
