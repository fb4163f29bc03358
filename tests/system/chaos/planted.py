"""Eight bugs that queues have had, switched on in one process: the checker must find every one of them.

Three more believe in the host's clock, each in one respect; they show where that clock is wrong (``clocks.py``).
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

WRONG_BY: Final = timedelta(days=1)
TOO_LONG: Final = timedelta(seconds=1)
ONE_BATCH: Final = 20
MEET_SECONDS: Final = 15


def plant(bug: str) -> None:
    """Put the bug called ``bug`` into this process."""
    (BUGS | CLOCK_BUGS)[bug]()


def no_fence() -> None:
    """Chunks ask whether the job runs, not by whom."""
    from jobs.db import clock
    from jobs.lifecycle import transitions
    from jobs.models import Job

    def prove_fence(fence: Any, *, lease: timedelta, now: Any = clock.NOW) -> bool:
        running = Job.objects.filter(pk=fence.job_id, status="running")
        return running.update(lease_expires_at=clock.after(now, lease)) == 1

    def record(fence: Any, *, receipt: dict[str, Any], done: int, total: int | None, lease: timedelta) -> bool:
        running = Job.objects.filter(pk=fence.job_id, status="running")
        return running.update(receipt=receipt, progress_done=done, progress_total=total) == 1

    transitions.prove_fence, transitions.record = prove_fence, record


def blind_save() -> None:
    """A finish writes its status whatever the row has become."""
    from jobs.db import clock
    from jobs.lifecycle import transitions
    from jobs.models import Job, JobEvent

    def complete(fence: Any, *, worker: Any, **_: Any) -> Any:
        ended = {"status": "completed", "finished_at": clock.NOW, "lease_token": None, "lease_expires_at": None}
        Job.objects.filter(pk=fence.job_id).update(**ended)
        JobEvent.objects.create(
            job_id=fence.job_id, at=clock.NOW, what="completed", to_status="completed", attempt=1, actor=str(worker)
        )
        return transitions.TransitionResult(won=True)

    transitions.complete = complete


def no_sweep() -> None:
    """Nobody looks for jobs whose worker is gone."""
    from jobs.processes.maintenance import Maintenance

    Maintenance.run = lambda self: None


def rescue_by_time() -> None:
    """What has run for long is taken to be dead, however lively it beats."""
    from jobs.actors import SYSTEM
    from jobs.db import clock
    from jobs.db.connection import engine_transaction, jobs_connection
    from jobs.lifecycle import transitions
    from jobs.models import Job
    from jobs.processes.rescuer import Rescuer

    def rescue(self: Rescuer, **_: Any) -> list[int]:
        running = Job.objects.filter(status="running", begun_at__lt=clock.read(jobs_connection()) - TOO_LONG)
        rescued = []
        for job in running:
            fence = transitions.Fence(job_id=job.pk, lease_token=job.lease_token)
            seen = job.lease_expires_at + WRONG_BY
            with engine_transaction():
                if transitions.rescue(fence, seen=seen, begun=True, note="It took too long.", actor=SYSTEM):
                    rescued.append(job.pk)
        return rescued

    Rescuer.rescue = rescue


def check_then_insert() -> None:
    """Uniqueness is looked up before the insert, and not held by the database."""
    from jobs.models import Job
    from jobs.services.commands import schedule
    from tests.system.chaos.apps import CONTROL

    original = schedule.insert_jobs
    directory = Path(os.environ[CONTROL])

    # Before the transaction: on SQLite only one at a time gets into it.
    def insert(jobs: Sequence[Job], **options: Any) -> Any:
        (job,) = jobs
        same = Job.objects.active().filter(action=job.action, reference_id=job.reference_id)
        assert not same.exists(), "the scenario starts without one"
        (directory / f"checked-{os.getpid()}-{threading.get_ident()}").touch()
        until = time.monotonic() + MEET_SECONDS
        while len(list(directory.glob("checked-*"))) < 2 and time.monotonic() < until:
            time.sleep(0.005)
        job.unique_key = None
        return original(jobs, **options)

    schedule.insert_jobs = insert


def host_clock() -> None:
    """What is due is decided by the clock of a host, which is wrong."""
    from jobs.models import JobQuerySet

    def due(self: JobQuerySet, now: Any = None) -> JobQuerySet:
        return self.filter(status="scheduled", due_at__lte=datetime.now(UTC) + WRONG_BY)

    JobQuerySet.due = due


def swallowed_finish() -> None:
    """An outcome that could not be written is given up, while the process goes on beating for the job."""
    from django.db import DatabaseError

    from jobs.db.connection import reconnect
    from jobs.execution import runner
    from jobs.execution.leases import Leases
    from jobs.lifecycle import transitions

    def persisted(write: Callable[[], Any]) -> Any:
        try:
            return write()
        except DatabaseError:
            reconnect()
            Leases.drop = lambda self, lease: None
            return transitions.TransitionResult(won=True)

    runner._persisted = persisted


def batch_limit() -> None:
    """An erase takes what one query returns, and reports success."""
    from jobs import JobContext

    def erase(self: Any, store: str, rows: Any) -> None:
        with self.chunk() as chunk:
            keys = list(rows.values_list("pk", flat=True)[:ONE_BATCH])
            chunk.add(store, rows.filter(pk__in=keys).delete()[0])

    JobContext.erase = erase


def due_by_host() -> None:
    """What is due is decided by the host's clock."""
    from jobs.models import JobQuerySet

    def due(self: JobQuerySet, now: Any = None) -> JobQuerySet:
        return self.filter(status="scheduled", due_at__lte=datetime.now(UTC))

    JobQuerySet.due = due


def rescue_by_host() -> None:
    """Whose lease has run out is decided by the host's clock, at one look."""
    from jobs.actors import SYSTEM
    from jobs.db.connection import engine_transaction
    from jobs.lifecycle import transitions
    from jobs.models import Job
    from jobs.processes.rescuer import Rescuer

    def rescue(self: Rescuer, **_: Any) -> list[int]:
        rescued = []
        for job in Job.objects.filter(status="running", lease_expires_at__lt=datetime.now(UTC)):
            fence = transitions.Fence(job_id=job.pk, lease_token=job.lease_token)
            with engine_transaction():
                # Renewed since or not: to its clock that lease is over as well.
                seen = job.lease_expires_at + WRONG_BY / 2
                if transitions.rescue(fence, seen=seen, begun=True, note="It ran out.", actor=SYSTEM):
                    rescued.append(job.pk)
        return rescued

    Rescuer.rescue = rescue


def dated_by_host() -> None:
    """What is written of the time is the host's."""
    from jobs.db import clock

    def as_sql(self: clock.Clock, *_: Any, **__: Any) -> tuple[str, tuple[datetime]]:
        return "%s::timestamptz", (datetime.now(UTC) + self.offset,)

    clock.Clock.as_sql = as_sql
    clock.compared = lambda now, connection: now


BUGS: Final[dict[str, Callable[[], None]]] = {
    bug.__name__: bug
    for bug in (
        no_fence,
        blind_save,
        no_sweep,
        rescue_by_time,
        check_then_insert,
        host_clock,
        swallowed_finish,
        batch_limit,
    )
}
CLOCK_BUGS: Final[dict[str, Callable[[], None]]] = {
    bug.__name__: bug for bug in (due_by_host, rescue_by_host, dated_by_host)
}
