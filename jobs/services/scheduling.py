"""Schedule jobs."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from django.db import IntegrityError, models

from .. import clock, failpoints, transitions
from ..actions import Action, get_action
from ..actors import SYSTEM, Actor
from ..database import home
from ..exceptions import ActiveJobExists, Busy, ConcurrentChange, InvalidField
from ..models import Job
from ..notices import notify_due
from .jobs import change
from .text import check_json, check_text, quoted

MAX_REFERENCE_BYTES: Final = 256
MAX_DESCRIPTION_CHARACTERS: Final = 1000
LATEST_START: Final = datetime(9999, 1, 1, tzinfo=UTC)
INSERT_TRIES: Final = 3


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
    """Create a job; with the commit it is durable and will be run.

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
        Busy: another transaction was in the way for longer than the host waits; nothing changed.
        ConcurrentChange: the host's own transaction met another one and must be repeated.
        OutcomeUnknown: the database was lost at the commit; the job is there or is not.
    """
    registered = get_action(action)
    check_text("reference_id", reference_id, max_bytes=MAX_REFERENCE_BYTES)
    if description is not None:
        check_text("description", description, max_characters=MAX_DESCRIPTION_CHARACTERS)
    now = clock.read(home())
    due = _start_of(registered, now) if start_at is None else _checked_start(start_at, now)
    job = Job(
        project=cast("Any", project),  # of the host's model
        action=action,
        reference_id=reference_id,
        description=registered.describe(reference_id) if description is None else description,
        parameters=_checked_parameters(registered, parameters),
        unique_key=reference_id if registered.unique else None,
        created_at=now,
        start_at=due,
        due_at=due,
    )
    return _insert(job, actor=actor, notify=due <= now)


def _insert(job: Job, *, actor: Actor, notify: bool) -> Job:
    """Insert; when the active job that was in the way has ended before we could name it, try again."""
    within_host = home().in_atomic_block
    for _ in range(INSERT_TRIES):
        try:
            with change(then="create.committed"):
                transitions.schedule(job, actor=actor)
                if notify:
                    notify_due()
                failpoints.reach("create.before_commit")
        except IntegrityError:
            if job.unique_key is None:
                raise
            # A fresh statement: the failed one has told nothing about the row it met.
            active = Job.objects.in_project(job.project).active()
            found = active.filter(action=job.action, unique_key=job.unique_key).first()
            if found is not None:
                raise ActiveJobExists(found) from None
        else:
            return job
    # In a snapshot of the host's, the job in the way may be one that cannot be seen from there.
    raise ConcurrentChange if within_host else Busy


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
