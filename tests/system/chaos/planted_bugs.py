"""Twelve bugs that queues have had, each switched on by patching one process: the checker must find every one.

Three more believe in the host's clock, each in one respect; they show where that clock is wrong (``wrong_clocks.py``).
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from django.db import DatabaseError

from jobs import JobContext
from jobs.actors import SYSTEM
from jobs.db import clock
from jobs.db.connection import jobs_connection, outermost_transaction, reconnect
from jobs.execution import outcomes
from jobs.execution.leases import Leases
from jobs.lifecycle import transitions
from jobs.lifecycle.statements import Fence
from jobs.models import Job, JobEvent, JobQuerySet
from jobs.processes.maintenance import Maintenance
from jobs.processes.rescuer import Rescuer
from jobs.processes.watchdog import Watchdog
from jobs.services.commands import schedule
from tests.system.chaos.apps import CONTROL

DAY: Final = timedelta(days=1)
TOO_LONG: Final = timedelta(seconds=1)
ONE_BATCH: Final = 20
MEET_SECONDS: Final = 15


def plant(bug: str) -> None:
    (BUGS | CLOCK_BUGS)[bug]()


def patch(owner: Any, **replacements: Any) -> None:
    """Replace attributes of ``owner``; one that is not there was renamed, and the bug would do nothing."""
    for name, replacement in replacements.items():
        assert hasattr(owner, name), f"{owner} has no {name}"
        setattr(owner, name, replacement)


def no_fence() -> None:
    """Let chunks ask whether the job runs, not by whom."""

    def prove_fence(fence: Any, *, lease: timedelta, now: Any = clock.NOW) -> bool:
        running = Job.objects.filter(pk=fence.job_id, status="running")
        return running.update(lease_expires_at=clock.after(now, lease)) == 1

    def record(fence: Any, *, receipt: dict[str, Any], done: int, total: int | None, **_: Any) -> bool:
        running = Job.objects.filter(pk=fence.job_id, status="running")
        return running.update(receipt=receipt, progress_done=done, progress_total=total) == 1

    patch(transitions, prove_fence=prove_fence, record=record)


def blind_save() -> None:
    """Let a finish write its status whatever the row has become."""

    def complete(fence: Any, *, worker: Any, **_: Any) -> Any:
        ended = {"status": "completed", "finished_at": clock.NOW, "lease_token": None, "lease_expires_at": None}
        Job.objects.filter(pk=fence.job_id).update(**ended)
        event = {"at": clock.NOW, "what": "completed", "to_status": "completed", "attempt": 1, "actor": str(worker)}
        JobEvent.objects.create(job_id=fence.job_id, **event)
        return transitions.TransitionResult(won=True)

    def complete_many(fences: Any, *, worker: Any, **_: Any) -> Any:
        for fence in fences:
            complete(fence, worker=worker)
        return transitions.TransitionResult(won=True, job_ids=tuple(fence.job_id for fence in fences))

    patch(transitions, complete=complete, complete_many=complete_many)


def no_rescue() -> None:
    """Leave the jobs of dead workers where they are."""
    patch(Maintenance, run=lambda self: None)


def _rescue_when(is_dead: Callable[[], dict[str, Any]]) -> None:
    """Rescue the running jobs that match a filter at one look, whether their leases were renewed or not."""

    def rescue(self: Rescuer, **_: Any) -> list[int]:
        rescued = []
        for job in Job.objects.filter(status="running", **is_dead()):
            fence, seen = Fence(job_id=job.pk, lease_token=job.lease_token), job.lease_expires_at + DAY / 2
            with outermost_transaction():
                if transitions.rescue(fence, seen=seen, begun=True, note="It seemed dead.", actor=SYSTEM):
                    rescued.append(job.pk)
        return rescued

    patch(Rescuer, rescue=rescue)


def rescue_by_time() -> None:
    """Take the worker of a long job to be dead, though it renews its lease."""
    _rescue_when(lambda: {"begun_at__lt": clock.read(jobs_connection()) - TOO_LONG})


def check_then_insert() -> None:
    """Look for an active job before the insert, instead of letting the database refuse a second one."""
    insert_jobs = schedule.insert_jobs
    directory = Path(os.environ[CONTROL])

    def insert(prepare: Callable[[], Sequence[Job]], **options: Any) -> Any:
        def prepare_both() -> list[Job]:
            # Before the transaction: on SQLite only one at a time gets into it.
            (job,) = prepare()
            same = Job.objects.active().filter(action=job.action, reference_id=job.reference_id)
            assert not same.exists(), "the scenario starts without one"
            (directory / f"checked-{os.getpid()}-{threading.get_ident()}").touch()
            deadline = time.monotonic() + MEET_SECONDS
            while len(list(directory.glob("checked-*"))) < 2 and time.monotonic() < deadline:
                time.sleep(0.005)
            job.unique_key = None
            return [job]

        return insert_jobs(prepare_both, **options)

    patch(schedule, insert_jobs=insert)


def _due_by_host(fast_by: timedelta) -> None:

    def due(self: JobQuerySet, now: Any = None) -> JobQuerySet:
        return self.filter(status="scheduled", due_at__lte=datetime.now(UTC) + fast_by)

    patch(JobQuerySet, due=due)


def due_a_day_early() -> None:
    """Let the clock of a host, which is a day fast, decide what is due."""
    _due_by_host(DAY)


def swallowed_finish() -> None:
    """Give up an outcome that could not be written, while the process goes on renewing the lease."""

    def write_once(write: Callable[[], Any]) -> Any:
        try:
            return write()
        except DatabaseError:
            reconnect()
            patch(Leases, drop=lambda self, lease: None)
            return transitions.TransitionResult(won=True)

    patch(outcomes, write_with_retries=write_once)


def batch_limit() -> None:
    """Let an erase take what one query returns, and report success."""

    def erase(self: Any, store: str, rows: Any) -> None:
        with self.chunk() as chunk:
            keys = list(rows.values_list("pk", flat=True)[:ONE_BATCH])
            chunk.add(store, rows.filter(pk__in=keys).delete()[0])

    patch(JobContext, erase=erase)


def hosts_delete() -> None:
    """Let an erase call the ``delete()`` of the model's own queryset."""

    def erase(self: Any, store: str, rows: Any) -> None:
        with self.chunk() as chunk:
            chunk.add(store, rows.delete()[0])

    patch(JobContext, erase=erase)


def unchecked_record() -> None:
    """Let a chunk commit though its record has matched no row."""
    record = transitions.record
    patch(transitions, record=lambda fence, **facts: record(fence, **facts) or True)


def uncounted_release() -> None:
    """Hand back a job whose attempt was interrupted as one whose worker shuts down."""

    def interrupt(fence: Fence, *, detail: str = "", **facts: Any) -> Any:
        return transitions.release(fence, **facts)

    patch(transitions, interrupt=interrupt)


def no_watchdog() -> None:
    """Let nothing end a process whose threads do not get on."""
    patch(Watchdog, renew=lambda self: None)


def due_by_host() -> None:
    """Let the host's clock decide what is due."""
    _due_by_host(timedelta(0))


def rescue_by_host() -> None:
    """Let the host's clock decide whose lease has run out."""
    _rescue_when(lambda: {"lease_expires_at__lt": datetime.now(UTC)})


def dated_by_host() -> None:
    """Write the host's time wherever the database's belongs."""

    def as_sql(self: clock.Clock, *_: Any, **__: Any) -> tuple[str, tuple[datetime]]:
        return "%s::timestamptz", (datetime.now(UTC) + self.offset,)

    patch(clock.Clock, as_sql=as_sql)
    patch(clock, compared=lambda now, connection: now)


def _by_name(*bugs: Callable[[], None]) -> dict[str, Callable[[], None]]:
    return {bug.__name__: bug for bug in bugs}


BUGS: Final = _by_name(
    *(no_fence, blind_save, no_rescue, rescue_by_time),
    *(check_then_insert, due_a_day_early, swallowed_finish, batch_limit),
    *(hosts_delete, unchecked_record, uncounted_release, no_watchdog),
)
# After the driver's COMMIT, SQLite commits each statement by itself; and it has no session that an action could lose.
BUGS_OF_POSTGRESQL: Final = ("unchecked_record", "uncounted_release")
CLOCK_BUGS: Final = _by_name(due_by_host, rescue_by_host, dated_by_host)
