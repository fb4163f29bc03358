"""Run due jobs on the test's own thread, by the rules of the worker."""

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
    """Run what is due, one job after another, until nothing is; return the jobs in that order, as they now stand.

    ``at``, an aware datetime, is taken for the present, so that jobs run that are to start
    by then; a job that fails with attempts left runs again if its next one is due by then.
    Paused jobs, and those of disabled organizations, are left alone, as a worker leaves them.

    Works in a ``TestCase`` and with pytest's ``db``: nothing is committed. What an action
    raised is in the ``detail`` of the job's last event; writes outside a chunk are refused,
    as a worker refuses them.

    Raises:
        RuntimeError: inside ``atomic()``, where the engine's commits would be none.
    """
    ran: dict[int, None] = {}
    while (job := _claim_next(at)) is not None:
        ran[job.pk] = None
        lease = Lease(fence=Fence(job_id=job.pk, lease_token=job.lease_token or uuid4()))
        with jobs_connection().execute_wrapper(_as_if_committed):
            runner.run(job, lease=lease, worker=TESTER, then=_nothing)
    found = Job.objects.in_bulk(list(ran))
    return [found[job_id] for job_id in ran if job_id in found]


def _claim_next(at: datetime | None) -> Job | None:
    """Claim and begin the longest due job that nothing holds back.

    The instant is handed in: within a test's transaction the database's ``now()`` stands
    still at its begin, when none of the test's jobs was there.
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
    """Let a statement outside chunks that fails, or is refused, harm no other, as where each is its own transaction."""
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


def _nothing() -> None:
    return None
