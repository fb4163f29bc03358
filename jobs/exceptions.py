"""The errors this app raises on purpose.

::

    JobsError                     every deliberate error; ``code`` is stable
    ├── JobNotFound               no such job in this project
    ├── ProjectNotFound           no such project in this organization
    ├── ApiKeyNotFound            no API key has this prefix
    ├── InvalidField              a value cannot be accepted; names the field and the cure
    │   └── UnknownAction         no action under that name (for that caller)
    ├── ActiveJobExists           a unique action has a job that waits or runs
    ├── BatchConflict             the same, of some jobs in a batch; none was created
    ├── IdempotencyKeyReused      the key came with another request before
    ├── TransitionRefused         the job has already ended
    ├── StepRefused               the job is not such that staff could step in like this
    ├── Busy                      a lock was not free in time; nothing changed
    ├── ConcurrentChange          the host's own transaction met another one; roll back, try again
    ├── OutcomeUnknown            the database was lost at the commit; look before you try again
    ├── RowsLeft                  an action ended, but rows it promised to remove are still there
    ├── RolesUnavailable          the groups of staff cannot be made here; says what is missing
    ├── ActionMisused             an action was registered or used wrongly (a programming error)
    │   ├── ActionNameTaken
    │   ├── WriteOutsideChunk
    │   └── ForeignDatabase
    └── JobFailed                 raised BY an action: end the job, show this text

    JobStopped (BaseException)    unwinds an action whose job is no longer its own
    ├── JobCancelled
    ├── JobReleased               the worker shuts down; the job goes back unharmed
    └── LeaseLost
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from .status import RefusalReason, Status


class JobsError(Exception):
    """Base of every deliberate error; ``code`` is snake_case and never changes."""

    code: ClassVar[str] = "jobs_error"


class JobNotFound(JobsError):
    """The project has no job under this id."""

    code = "job_not_found"

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        super().__init__("job not found")


class ProjectNotFound(JobsError):
    """The organization has no project under this key; a foreign one looks just the same."""

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
    """The value of ``field`` cannot be accepted; ``problem`` says why and what would be.

    ``place`` is what it is a field of, where there are several: ``jobs[3]``.
    """

    code = "invalid_field"

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        self.place = ""
        super().__init__(f"{field}: {problem}")

    def within(self, place: str) -> Self:
        """Say what it is a field of; return the error itself, to be raised on."""
        self.place = place
        return self


class UnknownAction(InvalidField):
    """No action is registered under this name, or the caller may not know of it."""

    code = "unknown_action"

    def __init__(self, action: str) -> None:
        self.action = action
        super().__init__("action", "is not an action known here")


class ActiveJobExists(JobsError):
    """The action is unique, and ``job``, a ``Job`` of the same project, action and reference, waits or runs."""

    code = "active_job_exists"

    def __init__(self, job: Any) -> None:
        self.job = job
        super().__init__(f"job {job.pk} of this action for the same reference is already {job.status}")


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """Why the job at ``index`` of a batch cannot be: an active ``job_id``, or ``same_as``, an earlier one in the batch.

    Exactly one of the two is not None; the active job is told where both are in the way.
    """

    index: int
    job_id: int | None = None
    same_as: int | None = None


class BatchConflict(JobsError):
    """Jobs of unique actions in a batch have an active job, or stand in it twice; ``conflicts`` are all of them."""

    code = "batch_conflict"

    def __init__(self, conflicts: tuple[Conflict, ...], *, size: int) -> None:
        self.conflicts = conflicts
        super().__init__(
            f"{len(conflicts)} of the {size} jobs are there already, or twice in this batch; none was created"
        )


class IdempotencyKeyReused(JobsError):
    """The API key has sent this idempotency key with another request; each request needs one of its own."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key came with another request before; use a new one for each request")


class TransitionRefused(JobsError):
    """The job is in a final status, which never changes."""

    code = "transition_refused"

    def __init__(self, job_id: int, *, status: Status, wanted: Status) -> None:
        self.job_id = job_id
        self.status = status
        self.wanted = wanted
        super().__init__(f"the requested job has already been {status}")


class StepRefused(JobsError):
    """The job is not such that it could be held, resumed, run now or retried; ``other_job_id`` is in the way."""

    code = "step_refused"

    def __init__(self, job_id: int, *, why: RefusalReason, status: Status, other_job_id: int | None = None) -> None:
        self.job_id = job_id
        self.why = why
        self.status = status
        self.other_job_id = other_job_id
        other = "" if other_job_id is None else f": see job {other_job_id}"
        super().__init__(f"job {job_id} is {status} and refuses this step ({why}){other}")


class Busy(JobsError):
    """Another transaction held the row for longer than we wait; nothing was changed."""

    code = "busy"

    def __init__(self, *, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__(f"the job is busy and nothing was changed; try again in {retry_after} s")


class ConcurrentChange(JobsError):
    """A host's REPEATABLE READ or SERIALIZABLE transaction met another; roll it back and repeat it."""

    code = "concurrent_change"

    def __init__(self) -> None:
        super().__init__("another transaction changed the job first; roll back and repeat the transaction")


class OutcomeUnknown(JobsError):
    """The database was lost after it was told to commit, and before it answered: the change was made or was not."""

    code = "outcome_unknown"

    def __init__(self) -> None:
        super().__init__(
            "the database was lost while the change was being saved; look whether it was made before you try again"
        )


class RowsLeft(JobsError):
    """The last look found rows that the action was to remove; ``stores`` says which."""

    code = "rows_left"

    def __init__(self, stores: tuple[str, ...]) -> None:
        self.stores = stores
        super().__init__(f"There are still rows in {', '.join(stores)}: others add them, or they cannot be deleted.")


class RolesUnavailable(JobsError):
    """The groups of staff cannot be made on this host; ``missing`` says what it lacks."""

    code = "roles_unavailable"

    def __init__(self, missing: str) -> None:
        self.missing = missing
        super().__init__(missing)


class ActionMisused(JobsError):
    """An action was registered, or used the engine, in a way that cannot be right."""

    code = "action_misused"


class ActionNameTaken(ActionMisused):
    """Two functions were registered under one name."""

    code = "action_name_taken"

    def __init__(self, name: str, *, first: str, second: str) -> None:
        super().__init__(f"action {name!r} is {first} already, not {second} too; rename one, or say replaces=True")


class WriteOutsideChunk(ActionMisused):
    """An action wrote to the database outside ``job.chunk()``, where a cancel could not hold it back."""

    code = "write_outside_chunk"

    def __init__(self, verb: str, *, alias: str) -> None:
        super().__init__(f"{verb} on database {alias!r} outside a chunk; write inside `with job.chunk():`")


class ForeignDatabase(ActionMisused):
    """Rows of another database than the jobs' cannot share a chunk's transaction."""

    code = "foreign_database"

    def __init__(self, store: str, *, alias: str, home: str) -> None:
        super().__init__(f"{store!r} lives in database {alias!r}, jobs in {home!r}; one transaction cannot span both")


class JobFailed(JobsError):
    """Raise it in an action: the job ends as ``failed``, without a further attempt.

    ``message`` is shown to integrators as it stands, so it must not hold personal data.
    """

    code = "job_failed"

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class JobStopped(BaseException):
    """Unwinds an action; not an ``Exception``, so that ``except Exception`` cannot swallow it.

    Once a ``JobContext`` has raised one, every later call on it raises it again.
    """

    code: ClassVar[str] = "job_stopped"

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        super().__init__(f"job {job_id}: {self.code}")


class JobCancelled(JobStopped):
    """The job was cancelled; nothing of this chunk was kept, nothing further may be done."""

    code = "job_cancelled"


class JobReleased(JobStopped):
    """The worker is shutting down; the job goes back to be run elsewhere, no attempt burnt."""

    code = "job_released"


class LeaseLost(JobStopped):
    """The job was taken from this worker; another one has it, or has ended it."""

    code = "lease_lost"
