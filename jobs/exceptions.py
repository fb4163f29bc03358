"""The exceptions of this app.

::

    JobsError                     every deliberate error; ``code`` is stable
    ├── JobNotFound               no such job in this project
    ├── ProjectNotFound           no such project in this organization
    ├── ApiKeyNotFound            no API key has this prefix
    ├── InvalidField              a field has a wrong value
    │   └── UnknownAction         no action of this name (for this caller)
    ├── ActiveJobExists           a unique action has a job that waits or runs
    ├── BatchConflict             the same of jobs in a batch; none was created
    ├── PlanChanged               an erase map does something else than expected; nothing was created
    ├── NothingFound              fewer rows of a person than expected; nothing was created
    ├── IdempotencyKeyReused      another request had this key before
    ├── TransitionRefused         the job has already ended
    ├── StepRefused               this intervention is not possible with this job
    ├── Busy                      a lock was not free in time; nothing changed
    ├── ConcurrentChange          conflict with the host's own transaction; roll back and repeat it
    ├── TooManyWaiting            an organization has as many waiting jobs as it may
    ├── TooSlow                   a search needs more time than one may take
    ├── OutcomeUnknown            the database was lost at the commit; check before you try again
    ├── RowsLeft                  rows that the action verifies still exist
    │   └── FilesLeft             files of erased rows, which their storage did not remove
    ├── RolesUnavailable          the groups for staff cannot be created on this host
    ├── ActionMisused             an action was registered or used wrongly (a programming error)
    │   ├── ActionNameTaken
    │   ├── WriteOutsideChunk
    │   └── ForeignDatabase
    └── JobFailed                 raised by an action: the job fails with this text

    JobStopped (BaseException)    stops an action whose job is no longer this worker's
    ├── JobCancelled
    ├── JobReleased               the worker shuts down and hands the job back
    └── LeaseLost
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from .status import RefusalReason, Status


class JobsError(Exception):
    """Base of all exceptions but ``JobStopped``; ``code`` is snake_case and never changes."""

    code: ClassVar[str] = "jobs_error"


class JobNotFound(JobsError):
    """The project has no job with this id."""

    code = "job_not_found"

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        super().__init__("job not found")


class ProjectNotFound(JobsError):
    """The organization has no project with this key; another organization's project makes no difference."""

    code = "project_not_found"

    def __init__(self) -> None:
        super().__init__("project not found")


class ApiKeyNotFound(JobsError):
    """No API key has this prefix."""

    code = "api_key_not_found"

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        super().__init__("no API key has this prefix")


class InvalidField(JobsError):
    """The value of ``field`` is wrong; ``problem`` says what it must be.

    ``place`` is the object that has it, if there are several: ``jobs[3]``; ``further``: all else that is wrong.
    """

    code = "invalid_field"

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        self.place = ""
        self.further: tuple[InvalidField, ...] = ()
        super().__init__(f"{field}: {problem}")

    def within(self, place: str) -> Self:
        """Set ``place``, of all further errors too; return the error, to be raised again."""
        every: tuple[InvalidField, ...] = (self, *self.further)
        for error in every:
            error.place = place
        return self


class UnknownAction(InvalidField):
    """No action of this name is registered, or it is not public."""

    code = "unknown_action"

    def __init__(self, action: str, *, known: Sequence[str] = ()) -> None:
        self.action = action
        names = f"; known are: {', '.join(known)}" if known else ""
        super().__init__("action", f"is not an action known here{names}")


class ActiveJobExists(JobsError):
    """The action is unique, and ``job``, a ``Job`` of the same project, action and reference, waits or runs."""

    code = "active_job_exists"

    def __init__(self, job: Any) -> None:
        self.job = job
        super().__init__(f"job {job.pk} of this action for the same reference is already {job.status}")


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """Why the job at ``index`` of a batch cannot be created: an active job, or an earlier one of it, is the same.

    Its id is ``job_id``, its index ``same_as``; the other is None. With both in the way, ``job_id`` is set.
    """

    index: int
    job_id: int | None = None
    same_as: int | None = None


class BatchConflict(JobsError):
    """Jobs of unique actions in a batch have an active job or are there twice; ``conflicts`` has all of them."""

    code = "batch_conflict"

    def __init__(self, conflicts: tuple[Conflict, ...], *, size: int) -> None:
        self.conflicts = conflicts
        super().__init__(
            f"{len(conflicts)} of the {size} jobs are there already, or twice in this batch; none was created"
        )


class PlanChanged(JobsError):
    """The erase map does something else than the ``plan`` that the request expects; nothing was created."""

    code = "plan_changed"

    def __init__(self) -> None:
        super().__init__("the erase follows another plan than the expected one; none was created, preview it again")


class NothingFound(JobsError):
    """Fewer rows were found than the request expects at least; nothing was created."""

    code = "nothing_found"

    def __init__(self, *, found: int, at_least: int) -> None:
        super().__init__(f"{found:,} rows were found where at least {at_least:,} were expected; none was created")


class IdempotencyKeyReused(JobsError):
    """The API key has sent another request with this idempotency key; each request needs its own."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key came with another request before; use a new one for each request")


class TransitionRefused(JobsError):
    """The job has ended; its status never changes again."""

    code = "transition_refused"

    def __init__(self, job_id: int, *, status: Status, wanted: Status) -> None:
        self.job_id = job_id
        self.status = status
        self.wanted = wanted
        super().__init__(f"the requested job has already been {status}")


class StepRefused(JobsError):
    """The job cannot be held, resumed, run now or retried: ``why`` and, if another job is in the way, its id."""

    code = "step_refused"

    def __init__(self, job_id: int, *, why: RefusalReason, status: Status, other_job_id: int | None = None) -> None:
        self.job_id = job_id
        self.why = why
        self.status = status
        self.other_job_id = other_job_id
        other = "" if other_job_id is None else f": see job {other_job_id}"
        super().__init__(f"job {job_id} is {status} and refuses this intervention ({why}){other}")


class Busy(JobsError):
    """A row was locked by another transaction for too long, or too much goes on at once; nothing was changed."""

    code = "busy"

    def __init__(self, problem: str = "the job is busy", *, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__(f"{problem} and nothing was changed; try again in {retry_after} s")


class ConcurrentChange(JobsError):
    """The host's REPEATABLE READ or SERIALIZABLE transaction met a conflict; roll it back and repeat it."""

    code = "concurrent_change"

    def __init__(self) -> None:
        super().__init__("another transaction changed the job first; roll back and repeat the transaction")


class TooManyWaiting(JobsError):
    """More than ``JOBS["MOST_WAITING"]`` jobs of the organization wait; none was created."""

    code = "too_many_waiting"
    retry_after = 60

    def __init__(self, most: int) -> None:
        super().__init__(f"more than {most:,} jobs of this organization wait already, and none was created")


class TooSlow(JobsError):
    """The database did not finish a statement within the time that it may take; nothing was changed."""

    code = "too_slow"
    retry_after = 5

    def __init__(self, cure: str = "ask for less at once, or try again later") -> None:
        super().__init__(f"the answer would take too long: {cure}")


class OutcomeUnknown(JobsError):
    """The database was lost between COMMIT and its answer: the change was made or was not."""

    code = "outcome_unknown"

    def __init__(self) -> None:
        super().__init__(
            "the database was lost while the change was being saved; look whether it was made before you try again"
        )


class RowsLeft(JobsError):
    """Rows that the action verifies still exist; ``stores`` says which."""

    code = "rows_left"

    def __init__(self, stores: tuple[str, ...]) -> None:
        self.stores = stores
        super().__init__(f"There are still rows in {', '.join(stores)}: others add them, or they cannot be deleted.")


class FilesLeft(RowsLeft):
    """Files of rows that an erase map has erased are still there, as their storage failed; ``stores`` says which."""

    code = "files_left"

    def __init__(self, stores: tuple[str, ...]) -> None:
        self.stores = stores
        JobsError.__init__(self, f"There are still files of {', '.join(stores)}: their storage did not remove them.")


class RolesUnavailable(JobsError):
    """The groups for staff cannot be created on this host; ``missing`` says what it lacks."""

    code = "roles_unavailable"

    def __init__(self, missing: str) -> None:
        self.missing = missing
        super().__init__(missing)


class ActionMisused(JobsError):
    """An action was registered wrongly, or uses its ``JobContext`` wrongly."""

    code = "action_misused"


class ActionNameTaken(ActionMisused):
    """Two functions were registered under one name."""

    code = "action_name_taken"

    def __init__(self, name: str, *, first: str, second: str) -> None:
        super().__init__(f"action {name!r} is {first} already, not {second} too; rename one, or say replaces=True")


class WriteOutsideChunk(ActionMisused):
    """An action wrote to the database outside ``job.chunk()``, where a cancel could not stop it."""

    code = "write_outside_chunk"

    def __init__(self, verb: str, *, alias: str, table: str = "", caller: str = "") -> None:
        what = f"{verb} of {table} on database {alias!r}" if table else f"{verb} on database {alias!r}"
        super().__init__(f"{what} outside a chunk{caller}; write inside `with job.chunk():`, or see writes_outside")


class ForeignDatabase(ActionMisused):
    """The rows are in another database than the jobs, so one transaction cannot cover both."""

    code = "foreign_database"

    def __init__(self, store: str, *, alias: str, home: str) -> None:
        super().__init__(f"{store!r} lives in database {alias!r}, jobs in {home!r}; one transaction cannot span both")


class JobFailed(JobsError):
    """Raise it in an action: the job ends as ``failed``, without another attempt.

    ``message`` is shown to integrators as it is, so no personal data in it. Its ``__cause__`` is read by staff alone.
    """

    code = "job_failed"

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class JobStopped(BaseException):
    """Stops an action; not an ``Exception``, so that ``except Exception`` does not swallow it.

    After a ``JobContext`` has raised one, every call on it raises it again.
    """

    code: ClassVar[str] = "job_stopped"

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        super().__init__(f"job {job_id}: {self.code}")


class JobCancelled(JobStopped):
    """The job was cancelled; this chunk was rolled back, and the action may write no more."""

    code = "job_cancelled"


class JobReleased(JobStopped):
    """The worker shuts down and hands the job back; that counts no failure."""

    code = "job_released"


class LeaseLost(JobStopped):
    """This worker's lease on the job has ended: another worker has claimed it, or it has ended."""

    code = "lease_lost"
