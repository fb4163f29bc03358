"""Serializers: a job and an API key in the words of the public contract, which only this package uses."""

from collections.abc import Container
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rest_framework import serializers

from ..actions import find_action
from ..exceptions import InvalidField, UnknownAction
from ..models import ApiKey, Job
from ..services.commands.schedule import NewJob
from ..services.commands.schedule_batch import MOST_JOBS
from ..services.tenants.projects import public_id_of
from ..services.validation import quoted
from ..status import Status

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)

WIRE_NAMES: Final = {"reference_id": "referenceId", "start_at": "startAt"}
"""The public names of fields that services call otherwise."""


class Milliseconds(serializers.Field[datetime, int, int, datetime]):
    """An instant as whole milliseconds since 1970-01-01 UTC; fractions are dropped."""

    def to_representation(self, value: datetime) -> int:
        return (value - EPOCH) // MILLISECOND

    def to_internal_value(self, data: object) -> datetime:
        if type(data) is not int:  # neither a float nor a boolean
            raise serializers.ValidationError("must be an integer: milliseconds since 1970-01-01 UTC")
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
            raise UnknownAction(name)
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
    status = serializers.ChoiceField(choices=[status.value for status in Status], read_only=True)
    projectId = ProjectId(source="*", read_only=True)
    action = serializers.CharField(read_only=True)
    referenceId = serializers.CharField(source="reference_id", read_only=True)
    createdAt = Milliseconds(source="created_at", read_only=True)
    updatedAt = Milliseconds(source="updated_at", read_only=True, allow_null=True)
    startAt = Milliseconds(source="start_at", read_only=True)
    # The contract's name; REST framework keeps fields apart from its property of this name.
    errors = serializers.CharField(read_only=True, allow_null=True)  # type: ignore[assignment]


JOB_COLUMNS: Final = (
    "id", "description", "status", "action", "reference_id", "created_at", "updated_at", "start_at", "errors",
)  # fmt: skip
"""The columns that ``JobSerializer`` reads."""


class KeySerializer(serializers.Serializer[ApiKey]):
    """An API key as its holder sees it; the secret is not stored."""

    organization = serializers.CharField(source="organization.name", read_only=True)
    keyPrefix = serializers.CharField(source="prefix", read_only=True)
    name = serializers.CharField(read_only=True)
    scopes = serializers.ListField(child=serializers.CharField(), read_only=True)
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


def parse_new_job(body: dict[str, Any]) -> NewJob:
    """Return the job to be created.

    Raises:
        InvalidField: a member, which it names, is unknown, missing or of another type.
        UnknownAction: there is no such public action.
    """
    serializer = NewJobSerializer(data=body)
    _check_members("body", body, known=serializer.fields)
    if not serializer.is_valid():
        field, problems = next(iter(serializer.errors.items()))
        raise InvalidField(field, str(problems[0]))
    return NewJob(**serializer.validated_data)


def parse_new_jobs(body: dict[str, Any]) -> list[NewJob]:
    """Return the jobs to be created, of ``{"jobs": […]}``.

    Raises:
        InvalidField, UnknownAction: as in :func:`parse_new_job`; ``place`` tells the member, ``jobs[3]``.
    """
    _check_members("body", body, known=("jobs",))
    if "jobs" not in body:
        raise InvalidField("jobs", NEEDED["required"])
    members = body["jobs"]
    if not isinstance(members, list) or not 1 <= len(members) <= MOST_JOBS:
        raise InvalidField("jobs", f"must be an array of 1 to {MOST_JOBS:,} jobs")
    return [_parse_member(f"jobs[{index}]", member) for index, member in enumerate(members)]


def _parse_member(place: str, member: object) -> NewJob:
    if not isinstance(member, dict):
        raise InvalidField(place, "must be an object")
    _check_members(place, member, known=NewJobSerializer._declared_fields)
    try:
        return parse_new_job(member)
    except InvalidField as error:
        raise error.within(place) from None


def _check_members(whole: str, members: dict[str, Any], *, known: Container[str]) -> None:
    for name in members:
        if name not in known:
            raise InvalidField(whole, f"has a member {quoted(name)} that is not known here")
