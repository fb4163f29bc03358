"""Serializers: a job and an API key in the words of the public contract, which only this package uses."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from rest_framework import serializers
from rest_framework.fields import SkipField, empty

from ..actions import all_actions, find_action
from ..exceptions import InvalidField, UnknownAction
from ..models import SCOPES, ApiKey, Job
from ..services.commands.schedule import NewJob, check_members
from ..services.commands.schedule_batch import MOST_JOBS
from ..services.search.api_pages import JobRow
from ..services.tenants.projects import public_id_of
from ..services.validation import MOST_REPORTED, collected, raise_first, unknown_name
from ..status import Status
from .previews import Expect

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)

MOST_SECONDS: Final = 10**11
"""As milliseconds this is in March 1973, as seconds in the year 5138: what is less is a mistake, and erases at once."""

STATUSES: Final = [status.value for status in Status]

WIRE_NAMES: Final = {"reference_id": "referenceId", "start_at": "startAt"}
"""The public names of fields that services call otherwise."""


def to_milliseconds(at: datetime) -> int:
    """Return whole milliseconds since 1970-01-01 UTC."""
    return (at - EPOCH) // MILLISECOND


class Milliseconds(serializers.Field[datetime, int, int, datetime]):
    """An instant as whole milliseconds since 1970-01-01 UTC; fractions are dropped."""

    def to_representation(self, value: datetime) -> int:
        return to_milliseconds(value)

    def to_internal_value(self, data: object) -> datetime:
        if type(data) is float and data.is_integer():  # 1e12; to JSON Schema, whole numbers are integers
            data = int(data)
        if type(data) is not int:  # not a boolean either
            raise serializers.ValidationError("must be an integer: milliseconds since 1970-01-01 UTC")
        if data < 0:
            raise serializers.ValidationError("must not be before 1970: milliseconds since 1970-01-01 UTC, 0 or more")
        if 0 < data <= MOST_SECONDS:
            raise serializers.ValidationError(
                f"seems to be in seconds; in milliseconds since 1970-01-01 UTC it is {data * 1000}"
            )
        try:
            return EPOCH + data * MILLISECOND
        except OverflowError:
            raise serializers.ValidationError("is no instant that can be represented") from None


class Text(serializers.Field[str, str, str, str]):
    """A string as it is: not trimmed, and not converted from another type."""

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("must be a string")
        return data


class PublicAction(Text):
    """The name of a public action; to integrators, others do not exist."""

    def to_internal_value(self, data: object) -> str:
        """Return the name.

        Raises:
            UnknownAction: no such action is registered, or it is internal.
        """
        name = super().to_internal_value(data)
        found = find_action(name)
        if found is None or not found.public:
            raise UnknownAction(name, known=sorted(action.name for action in all_actions() if action.public))
        return name


class Members(serializers.Field[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]):
    """A JSON object; the action's serializer checks its members."""

    def to_internal_value(self, data: object) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError("must be an object")
        return data


class ProjectId(serializers.IntegerField):
    """The public id of ``context["project"]``, which is the job's project: no query."""

    def to_representation(self, value: Any) -> int:
        return public_id_of(self.context["project"])


class JobSerializer(serializers.Serializer[Job]):
    """The ten members of a job, in the order of the contract; ``context["project"]`` is its project."""

    jobId = serializers.IntegerField(source="pk", read_only=True)
    description = serializers.CharField(read_only=True)
    status = serializers.ChoiceField(choices=STATUSES, read_only=True)
    projectId = ProjectId(source="*", read_only=True)
    action = serializers.CharField(read_only=True)
    referenceId = serializers.CharField(source="reference_id", read_only=True)
    createdAt = Milliseconds(source="created_at", read_only=True)
    updatedAt = Milliseconds(source="updated_at", read_only=True, allow_null=True)
    startAt = Milliseconds(source="start_at", read_only=True)
    # The contract's name; REST framework keeps fields apart from its property of this name.
    errors = serializers.CharField(read_only=True, allow_null=True)  # type: ignore[assignment]


def job_members(job: Job | JobRow, *, project_id: int) -> dict[str, Any]:
    """Return what :class:`JobSerializer`, which describes it, returns much more slowly."""
    return {
        "jobId": job.id,
        "description": job.description,
        "status": job.status,
        "projectId": project_id,
        "action": job.action,
        "referenceId": job.reference_id,
        "createdAt": to_milliseconds(job.created_at),
        "updatedAt": None if job.updated_at is None else to_milliseconds(job.updated_at),
        "startAt": to_milliseconds(job.start_at),
        "errors": job.errors,
    }


class KeySerializer(serializers.Serializer[ApiKey]):
    """An API key as its holder sees it; the secret is not stored."""

    organization = serializers.CharField(source="organization.name", read_only=True)
    keyPrefix = serializers.CharField(source="prefix", read_only=True)
    name = serializers.CharField(read_only=True)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=SCOPES), read_only=True)
    # The projectKey of the one project that it opens; null: all of the organization's.
    project = serializers.CharField(source="project.key", read_only=True, allow_null=True, default=None)
    expiresAt = Milliseconds(source="expires_at", read_only=True, allow_null=True)


NEEDED: Final[dict[str, Any]] = {"required": "is required", "null": "must not be null"}
OPTIONAL: Final[dict[str, Any]] = {"null": "must not be null; leave it out instead"}


class NewJobSerializer(serializers.Serializer[Any]):
    """The body of ``POST …/jobs``, for :func:`parse_new_job`."""

    action = PublicAction(error_messages=NEEDED)
    referenceId = Text(source="reference_id", error_messages=NEEDED)
    startAt = Milliseconds(source="start_at", required=False, error_messages=OPTIONAL)
    description = Text(required=False, error_messages=OPTIONAL)
    parameters = Members(required=False, error_messages=OPTIONAL)
    expect = Expect(required=False, error_messages=OPTIONAL)


def parse_new_job(body: dict[str, Any]) -> NewJob:
    """Return the job to be created.

    Raises:
        InvalidField: a member, which it names, is unknown, missing or of another type; ``further`` has all other
            errors, those of values too.
        UnknownAction: there is no such public action.
    """
    problems: list[InvalidField] = []
    values = _read_members(body, problems)
    if problems:
        check_members(values, problems)
    raise_first(problems)
    return NewJob(**values)


def parse_new_jobs(body: dict[str, Any]) -> list[NewJob]:
    """Return the jobs to be created, of ``{"jobs": […]}``.

    Raises:
        InvalidField, UnknownAction: as in :func:`parse_new_job`; ``place`` tells the member, ``jobs[3]``.
    """
    problems = [unknown_name(name, ("jobs",)) for name in body if name != "jobs"]
    members = body.get("jobs")
    if "jobs" not in body:
        problems.append(InvalidField("jobs", NEEDED["required"]))
    elif not isinstance(members, list) or not 1 <= len(members) <= MOST_JOBS:
        problems.append(InvalidField("jobs", f"must be an array of 1 to {MOST_JOBS:,} jobs"))
    raise_first(problems)
    jobs = []
    for index, member in enumerate(cast("list[object]", members)):
        with collected(problems):
            jobs.append(_parse_member(f"jobs[{index}]", member))
        if len(problems) >= MOST_REPORTED:
            break
    raise_first(problems)
    return jobs


def _parse_member(place: str, member: object) -> NewJob:
    if not isinstance(member, dict):
        raise InvalidField(place, "must be an object")
    try:
        return parse_new_job(member)
    except InvalidField as error:
        raise error.within(place) from None


def _read_members(body: Mapping[str, Any], problems: list[InvalidField]) -> dict[str, Any]:
    """Return the members that are right, by the names of services; add what is wrong with others to ``problems``."""
    fields = NewJobSerializer().fields
    unknown = [name for name in body if name not in fields]
    problems += [unknown_name(name, fields) for name in unknown[:MOST_REPORTED]]
    values = {}
    for name, field in fields.items():
        with collected(problems):
            try:
                values[str(field.source)] = field.run_validation(body.get(name, empty))
            except SkipField:
                pass
            except serializers.ValidationError as refused:
                raise InvalidField(name, str(cast("list[Any]", refused.detail)[0])) from None
    return values
