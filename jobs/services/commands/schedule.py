"""Schedule one job: check what is asked for, and insert it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from django.db import models

from ...actions import Action, get_action
from ...actors import SYSTEM, Actor
from ...db import clock
from ...db.connection import jobs_connection
from ...erasure.subjects import first_receipt
from ...exceptions import ActiveJobExists, InvalidField, NothingFound, PlanChanged, TooSlow
from ...models import Job
from ..reports.erase_preview import plan_behind, preview_erase
from ..validation import MOST_REPORTED, check_json, check_text, collected, raise_first, unknown_name
from .idempotency import IdempotentRequest, Scheduled
from .insert import insert_jobs

MAX_REFERENCE_BYTES: Final = 256
MAX_DESCRIPTION_CHARACTERS: Final = 1000
LATEST_START: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What a preview has shown, and must still hold: the plan, and at least so many rows that have the reference."""

    plan: str | None = None
    at_least: int | None = None


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job to be created; :func:`schedule_job` says what each member may be."""

    action: str
    reference_id: str
    start_at: datetime | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    expect: Expectation | None = None


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
        ProjectNotFound: the project was deleted meanwhile.
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
        PlanChanged, NothingFound: what the job expects does not hold.
        TooSlow: whether it holds cannot be found out in time.
        Further errors as in :func:`schedule_job`.
    """

    def prepare() -> Sequence[Job]:
        new_job = read()
        job = prepare_job(new_job, project=project, now=clock.read(jobs_connection()))
        if new_job.expect is not None:
            _check_expectation(new_job, new_job.expect, project)
        return [job]

    return insert_jobs(prepare, project=project, actor=actor, request=request, refuse_conflicts=_refuse_active)


def prepare_job(new_job: NewJob, *, project: models.Model, now: datetime) -> Job:
    """Return the job, not yet inserted.

    Raises:
        UnknownAction, InvalidField: as in :func:`schedule_job`; ``further`` has all other errors.
    """
    problems: list[InvalidField] = []
    checked = check_members(vars(new_job), problems)
    raise_first(problems)
    action, parameters = cast("tuple[Action, dict[str, Any] | None]", checked)
    description = new_job.description
    due = _start_of(action, now) if new_job.start_at is None else max(new_job.start_at, now)
    return Job(
        project=cast("Any", project),  # of the host's model
        action=action.name,
        reference_id=new_job.reference_id,
        description=action.describe(new_job.reference_id) if description is None else description,
        parameters=parameters,
        unique_key=new_job.reference_id if action.unique else None,
        created_at=now,
        start_at=due,
        due_at=due,
        receipt=first_receipt(action),
    )


def check_members(
    given: Mapping[str, Any], problems: list[InvalidField]
) -> tuple[Action | None, dict[str, Any] | None]:
    """Return the action, None if it is unknown, and its parameters as they are to be stored.

    What is wrong with the members of a ``NewJob`` in ``given`` is added to ``problems``; others may be missing.
    """
    action = parameters = None
    with collected(problems):
        action = get_action(given["action"]) if "action" in given else None
    with collected(problems):
        if "reference_id" in given:
            check_text("reference_id", given["reference_id"], max_bytes=MAX_REFERENCE_BYTES)
    with collected(problems):
        if given.get("start_at") is not None:
            _check_start(given["start_at"])
    with collected(problems):
        if given.get("description") is not None:
            check_text("description", given["description"], max_characters=MAX_DESCRIPTION_CHARACTERS)
    with collected(problems):
        if action is not None:
            parameters = _checked_parameters(action, given.get("parameters"))
    return action, parameters


def _check_expectation(new_job: NewJob, expect: Expectation, project: models.Model) -> None:
    if expect.plan not in (None, plan_behind(new_job.action).digest):
        raise PlanChanged
    if expect.at_least is None:
        return
    found = preview_erase(new_job.action, project=project, reference_id=new_job.reference_id)
    roots = [store for store in found.stores if store.is_root]
    rows = sum(store.rows or 0 for store in roots)
    if rows < expect.at_least:
        if any(store.is_at_least for store in roots):
            raise TooSlow("leave out `expect`, or try again later")
        raise NothingFound(found=rows, at_least=expect.at_least)


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


def _check_start(start_at: datetime) -> None:
    if not isinstance(start_at, datetime) or start_at.utcoffset() is None:
        raise InvalidField("start_at", "must be an aware datetime")
    if start_at > LATEST_START:
        raise InvalidField("start_at", "must be before the year 9999")


def _checked_parameters(action: Action, parameters: object) -> dict[str, Any] | None:
    """Return what the action's serializer makes of ``parameters``, as JSON can hold it."""
    if action.parameters is None:
        if parameters not in (None, {}):  # clients that are generated for Java send {} unless told otherwise
            raise InvalidField("parameters", f"the action {action.name} takes none; leave the field out")
        return None
    if parameters is not None and not isinstance(parameters, dict):
        raise InvalidField("parameters", "must be an object")
    given = parameters or {}
    serializer = action.parameters(data=given)
    unknown = sorted(map(str, given.keys() - serializer.fields.keys()))
    problems = [unknown_name(name, serializer.fields, place="parameters.") for name in unknown[:MOST_REPORTED]]
    if not serializer.is_valid():
        problems += [InvalidField(path, problem) for path, problem in _problems("parameters", serializer.errors)]
    raise_first(problems)
    checked = dict(serializer.data)
    check_json("parameters", checked)
    return checked


def _problems(path: str, errors: Any) -> Iterator[tuple[str, str]]:
    """Give the path and text of each problem in a serializer's nested errors."""
    if isinstance(errors, dict):
        for key, below in errors.items():
            place = f"[{key}]" if isinstance(key, int) else "" if key == "non_field_errors" else f".{key}"
            yield from _problems(f"{path}{place}", below)
    elif isinstance(errors, list) and any(isinstance(below, dict | list) for below in errors):
        for index, below in enumerate(errors):
            yield from _problems(f"{path}[{index}]", below)
    else:
        yield path, str(errors[0] if isinstance(errors, list) else errors)
