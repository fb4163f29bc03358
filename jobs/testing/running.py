"""Runs due jobs on the test's own thread, by the rules of the worker."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from .. import conf
from ..actors import Actor
from ..db import clock
from ..db.connection import jobs_connection, limited_transaction
from ..execution import runner
from ..execution.leases import Lease
from ..lifecycle import transitions
from ..lifecycle.statements import Fence
from ..models import Job, Pause

TESTER: Final = Actor(kind="worker", name="jobs.testing")


def run_due_jobs(*, at: datetime | None = None) -> list[Job]:
    """Run due jobs, one after another, until none is due; return them in that order, as they are now.

    ``at``, an aware datetime, replaces the current time, so that jobs run that start until
    then; a failed attempt is repeated if the next one is due until then. Paused jobs, and those
    of disabled organizations, are not run, as a worker does not run them.

    Works in a ``TestCase`` and with pytest's ``db``: nothing is committed. The ``detail`` of
    the job's last event has the exception of an action; writes outside a chunk are refused.

    Raises:
        RuntimeError: inside ``atomic()``, where the engine's commits would be none.
    """
    ran: dict[int, None] = {}
    while (job := _claim_next(at)) is not None:
        ran[job.pk] = None
        lease = Lease(fence=Fence(job_id=job.pk, lease_token=job.lease_token or uuid4()))
        with jobs_connection().execute_wrapper(_as_if_committed):
            runner.run(job, lease=lease, worker=TESTER)
    found = Job.objects.in_bulk(list(ran))
    return [found[job_id] for job_id in ran if job_id in found]


def _claim_next(at: datetime | None) -> Job | None:
    """Claim and begin the job that has been due for longest and is not paused.

    The time is passed in: within a test's transaction the database's ``now()`` is the
    transaction's begin, before the test created its jobs.
    """
    now = at or clock.read(jobs_connection())
    paused = Pause.objects.in_force()
    if paused.everything:
        return None
    due = paused.leave_out(Job.objects.due(now)).order_by("due_at", "pk").values_list("pk", flat=True)
    for job_id in due[:1]:
        with limited_transaction():
            claimed = transitions.claim(
                [job_id],
                lease_token=uuid4(),
                worker=TESTER,
                lease=conf.current().lease,
                begun_ids=[job_id],
                now=now,
            )
        return claimed[0] if claimed else None
    return None


def _as_if_committed(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Run a statement outside chunks in a savepoint: if it fails, later ones work, as if each were a transaction."""
    connection = context["connection"]
    if not connection.in_atomic_block or not connection.atomic_blocks[-1]._from_testcase or _is_savepoint(sql):
        return execute(sql, params, many, context)
    savepoint = connection.savepoint()
    try:
        answer = execute(sql, params, many, context)
    except Exception:
        connection.savepoint_rollback(savepoint)
        raise
    connection.savepoint_commit(savepoint)
    return answer


def _is_savepoint(sql: object) -> bool:
    return str(sql).startswith(("SAVEPOINT ", "RELEASE ", "ROLLBACK "))
