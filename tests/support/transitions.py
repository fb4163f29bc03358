"""Every transition of a job as one callable, for tests that go through all of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

# The instant that tests pass as ``now``.
T: Final = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
LEASE: Final = timedelta(seconds=45)
TOKEN: Final = UUID("12345678-1234-5678-1234-567812345678")
INTEGRATOR: Final = Actor(kind="key", name="jsk_3fG7a2Qx", request_id="request-7")


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One function of ``transitions``: the statuses it accepts, the status it leads to, the event it records."""

    name: str
    apply: Callable[[Job, Fence], bool]
    sources: frozenset[Status] = frozenset({Status.RUNNING})
    target: Status = Status.RUNNING
    # None: it changes no status, so it records no event.
    what: JobEvent.What | None = None
    fenced: bool = True

    def __str__(self) -> str:
        return self.name


def _claim(job: Job, _: Fence) -> bool:
    return bool(transitions.claim([job.pk], lease_token=uuid4(), worker=WORKER, lease=LEASE, now=T))


def _renew(job: Job, fence: Fence) -> bool:
    before = row_of(job)
    transitions.renew([fence], lease=timedelta(days=3650), now=T)
    return bool(changes_of(job, before))


def _fail(_: Job, fence: Fence) -> bool:
    return transitions.fail(fence, errors="Broken.", worker=WORKER, detail="Trace", now=T).won


def _retry_later(_: Job, fence: Fence) -> bool:
    wait = timedelta(seconds=30)
    return transitions.retry_later(fence, wait=wait, errors="Once more.", worker=WORKER, detail="Trace", now=T).won


def _release(_: Job, fence: Fence) -> bool:
    return transitions.release(fence, worker=WORKER, note="The worker shut down.", now=T).won


def _interrupt(_: Job, fence: Fence) -> bool:
    wait = timedelta(seconds=5)
    return transitions.interrupt(fence, worker=WORKER, note="The connection was lost.", wait=wait, now=T).won


def _rescue(job: Job, fence: Fence) -> bool:
    seen = job.lease_expires_at or T
    return transitions.rescue(fence, seen=seen, begun=True, note="The lease ran out.", actor=WORKER, now=T)


def _give_up(job: Job, fence: Fence) -> bool:
    seen = job.lease_expires_at or T
    return transitions.give_up(fence, seen=seen, errors="Given up.", actor=WORKER, now=T)


def _cancel(job: Job, _: Fence) -> bool:
    return transitions.cancel(job.pk, project=job.project, actor=INTEGRATOR, reason="Asked for.", now=T)


What = JobEvent.What
SCHEDULED: Final = frozenset({Status.SCHEDULED})
ACTIVE: Final = frozenset({Status.SCHEDULED, Status.RUNNING})
TRANSITIONS: Final = [
    Transition(name="claim", apply=_claim, sources=SCHEDULED, what=What.CLAIMED, fenced=False),
    Transition(name="begin", apply=lambda _, fence: transitions.begin(fence, now=T)),
    Transition(name="renew", apply=_renew),
    Transition(name="prove_fence", apply=lambda _, fence: transitions.prove_fence(fence, lease=LEASE, now=T)),
    Transition(
        name="record",
        apply=lambda _, fence: transitions.record(fence, receipt={"stores": {}}, done=3, total=9, lease=LEASE),
    ),
    Transition(
        name="complete",
        apply=lambda _, fence: transitions.complete(fence, worker=WORKER, now=T).won,
        target=Status.COMPLETED,
        what=What.COMPLETED,
    ),
    Transition(
        name="complete_many",
        apply=lambda _, fence: transitions.complete_many([fence], worker=WORKER, now=T).won,
        target=Status.COMPLETED,
        what=What.COMPLETED,
    ),
    Transition(name="fail", apply=_fail, target=Status.FAILED, what=What.FAILED),
    Transition(name="retry_later", apply=_retry_later, target=Status.SCHEDULED, what=What.RETRYING),
    Transition(name="release", apply=_release, target=Status.SCHEDULED, what=What.RELEASED),
    Transition(name="interrupt", apply=_interrupt, target=Status.SCHEDULED, what=What.RELEASED),
    Transition(name="rescue", apply=_rescue, target=Status.SCHEDULED, what=What.RESCUED),
    Transition(name="give_up", apply=_give_up, target=Status.FAILED, what=What.FAILED),
    Transition(
        name="cancel", apply=_cancel, sources=ACTIVE, target=Status.CANCELLED, what=What.CANCELLED, fenced=False
    ),
]


def apply_transition(transition: Transition, job: Job) -> bool:
    """Apply ``transition`` with the fence of the job's own worker."""
    return transition.apply(job, fence_of(job))


def row_of(job: Job) -> dict[str, Any]:
    """Return the job's row as it is in the database, by column."""
    return Job.objects.filter(pk=job.pk).values().get()


def changes_of(job: Job, before: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that changed since ``before``, with their new values."""
    return {column: value for column, value in row_of(job).items() if value != before[column]}


@contextmanager
def unchanged(*jobs: Job) -> Iterator[None]:
    """Check that the block changes no column of the jobs and records no event of them."""
    before = [(row_of(job), events_of(job)) for job in jobs]
    yield
    assert [(row_of(job), events_of(job)) for job in jobs] == before


def events_of(job: Job) -> list[dict[str, Any]]:
    """Return the job's events in order, without their ids."""
    columns = ("at", "what", "from_status", "to_status", "attempt", "actor", "request_id", "note", "detail")
    return list(JobEvent.objects.filter(job=job).order_by("id").values(*columns))
