"""Schedule one job: check what is asked for, and insert it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from django.db import models

from ...actions import Action, get_action
from ...actors import SYSTEM, Actor
from ...db import clock
from ...db.connection import jobs_connection
from ...exceptions import ActiveJobExists, InvalidField
from ...models import Job
from ..validation import check_json, check_text, quoted
from .idempotency import IdempotentRequest, Scheduled
from .insert import insert_jobs

MAX_REFERENCE_BYTES: Final = 256
MAX_DESCRIPTION_CHARACTERS: Final = 1000
LATEST_START: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job to be created; :func:`schedule_job` says what each member may be."""

    action: str
    reference_id: str
    start_at: datetime | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None


def schedule_job(
    action: str,
    *,
    project: models.Model,
    reference_id: str,
    start_at: datetime | None = None,
    description: str | None = None,
    parameters: dict[str, Any] | None = None,
    actor: Actor = SYSTEM,
) -> Job:
    """Create a job; from the commit on it is durable and will be run.

    Args:
        action: the name of a registered action, public or not.
        reference_id: what the action is about; kept exactly, 1 to 256 bytes of UTF-8 without control characters.
        start_at: aware; a past one means now. None: what the action's ``start`` says.
        description: at most 1,000 characters; None: the action's template.
        parameters: checked by the action's serializer.

    Raises:
        UnknownAction: no such action is registered.
        InvalidField: a value cannot be accepted; ``field`` names the argument.
        ActiveJobExists: the action is unique and a job for this reference waits or runs; ``job`` is that one.
        Busy: another transaction held a lock for longer than the host waits; nothing changed.
        ConcurrentChange: the host's own transaction met another one and must be repeated.
        OutcomeUnknown: the database was lost at the commit; the job was created or not.
    """
    new_job = NewJob(
        action=action, reference_id=reference_id, start_at=start_at, description=description, parameters=parameters
    )
    return request_job(lambda: new_job, project=project, actor=actor).jobs[0]


def request_job(
    read: Callable[[], NewJob], *, project: models.Model, actor: Actor, request: IdempotentRequest | None = None
) -> Scheduled:
    """Create the job that ``read`` returns, or return the one that ``request`` created before, without ``read``.

    Raises:
        IdempotencyKeyReused: the key of the request came with another body, or to another endpoint.
        Further errors as in :func:`schedule_job`.
    """

    def prepare() -> Sequence[Job]:
        return [prepare_job(read(), project=project, now=clock.read(jobs_connection()))]

    return insert_jobs(prepare, project=project, actor=actor, request=request, refuse_conflicts=_refuse_active)


def prepare_job(new_job: NewJob, *, project: models.Model, now: datetime) -> Job:
    """Return the job, not yet inserted.

    Raises:
        UnknownAction, InvalidField: as in :func:`schedule_job`.
    """
    action = get_action(new_job.action)
    check_text("reference_id", new_job.reference_id, max_bytes=MAX_REFERENCE_BYTES)
    description = new_job.description
    if description is not None:
        check_text("description", description, max_characters=MAX_DESCRIPTION_CHARACTERS)
    due = _start_of(action, now) if new_job.start_at is None else _checked_start(new_job.start_at, now)
    return Job(
        project=cast("Any", project),  # of the host's model
        action=action.name,
        reference_id=new_job.reference_id,
        description=action.describe(new_job.reference_id) if description is None else description,
        parameters=_checked_parameters(action, new_job.parameters),
        unique_key=new_job.reference_id if action.unique else None,
        created_at=now,
        start_at=due,
        due_at=due,
    )


def _refuse_active(jobs: Sequence[Job]) -> None:
    (job,) = jobs
    if job.unique_key is None:
        return
    active = Job.objects.in_project(job.project).active()
    found = active.filter(action=job.action, unique_key=job.unique_key).first()
    if found is not None:
        raise ActiveJobExists(found) from None


def _start_of(action: Action, now: datetime) -> datetime:
    if isinstance(action.start, timedelta):
        return now + action.start
    return clock.next_midnight(now) if action.start == "next_midnight" else now


def _checked_start(start_at: datetime, now: datetime) -> datetime:
    if not isinstance(start_at, datetime) or start_at.utcoffset() is None:
        raise InvalidField("start_at", "must be an aware datetime")
    if start_at > LATEST_START:
        raise InvalidField("start_at", "must be before the year 9999")
    return max(start_at, now)


def _checked_parameters(action: Action, parameters: object) -> dict[str, Any] | None:
    """Return what the action's serializer makes of ``parameters``, as JSON can hold it."""
    if action.parameters is None:
        if parameters is not None:
            raise InvalidField("parameters", f"the action {action.name} takes none; leave the field out")
        return None
    if parameters is not None and not isinstance(parameters, dict):
        raise InvalidField("parameters", "must be an object")
    given = parameters or {}
    serializer = action.parameters(data=given)
    if unknown := sorted(map(str, given.keys() - serializer.fields.keys())):
        raise InvalidField("parameters", f"has a member {quoted(unknown[0])} that this action does not know")
    if not serializer.is_valid():
        field, problem = _first_problem("parameters", serializer.errors)
        raise InvalidField(field, problem)
    checked = dict(serializer.data)
    check_json("parameters", checked)
    return checked


def _first_problem(path: str, errors: Any) -> tuple[str, str]:
    """Return the path and text of the first problem in a serializer's nested errors."""
    if isinstance(errors, dict):
        key, below = next(iter(errors.items()))
        if isinstance(key, int):  # the place in a list
            return _first_problem(f"{path}[{key}]", below)
        return _first_problem(path if key == "non_field_errors" else f"{path}.{key}", below)
    if isinstance(errors, list) and errors and isinstance(errors[0], dict | list):
        place = next(index for index, below in enumerate(errors) if below)
        return _first_problem(f"{path}[{place}]", errors[place])
    return path, str(errors[0] if isinstance(errors, list) else errors)
