"""Members of a job that ``?include=…`` adds to its ten: progress, receipt, events, attempts."""
# ruff: noqa: N815 – members have the names of the public contract

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast

from rest_framework import serializers

from ..db.connection import jobs_connection
from ..erasure.declaration import What
from ..exceptions import InvalidField
from ..execution.chunks import stores_of
from ..models import Job, JobEvent
from ..services.reports.history import OUTCOMES, RUNNING, Attempt, public_actor, public_note, read_history
from ..services.reports.wait_reasons import Wait, WaitReason, explain_wait
from ..services.validation import quoted
from .serializers import STATUSES, Milliseconds

INCLUDABLE: Final = ("progress", "receipt", "events", "attempts")
"""In the order of the answer."""

# The public word for each reason to wait, and the member that holds its instant, which may be null.
WAIT_REASONS: Final = {
    WaitReason.START_TIME: ("startTime", "until"),
    WaitReason.RETRY: ("retry", "until"),
    WaitReason.HELD: ("held", "since"),
    WaitReason.DISABLED: ("disabled", "since"),
    WaitReason.PAUSED: ("paused", "since"),
    WaitReason.WORKER: ("worker", "since"),
    WaitReason.TURN: ("turn", None),
}


class WaitSerializer(serializers.Serializer[Wait]):
    """Why a job does not run yet: ``what``, and ``until`` or ``since`` where it has one; null once it runs."""

    what = serializers.ChoiceField(choices=[what for what, _ in WAIT_REASONS.values()], read_only=True)
    until = Milliseconds(read_only=True, required=False)
    since = Milliseconds(read_only=True, required=False, allow_null=True)

    def get_attribute(self, instance: Any) -> Wait | None:
        wait: Wait | None = self.context["wait"]  # no column of the job's
        return wait

    def to_representation(self, instance: Wait) -> dict[str, Any]:
        what, name = WAIT_REASONS[instance.reason]
        if name is None:
            return {"what": what}
        at = getattr(instance, name)
        return {"what": what, name: None if at is None else self.fields[name].to_representation(at)}


class ProgressSerializer(serializers.Serializer[Job]):
    """The progress of a job; ``context["wait"]`` says why it does not run yet."""

    done = serializers.IntegerField(source="progress_done", read_only=True)
    total = serializers.IntegerField(source="progress_total", read_only=True, allow_null=True)
    at = Milliseconds(source="progress_at", read_only=True, allow_null=True)
    attempt = serializers.IntegerField(read_only=True)
    waitingFor = WaitSerializer(read_only=True, allow_null=True)


class StoreSerializer(serializers.Serializer[Any]):
    """How many rows were found, done and left in one store; null: not counted. By an erase map also what was done."""

    found = serializers.IntegerField(read_only=True, allow_null=True)
    done = serializers.IntegerField(read_only=True)
    left = serializers.IntegerField(read_only=True, allow_null=True)
    what = serializers.ChoiceField(choices=[what.value for what in What], read_only=True, required=False)
    because = serializers.CharField(read_only=True, required=False)


class ReceiptSerializer(serializers.Serializer[Any]):
    """What a job erased, by store; ``verifiedAt``: when it verified that nothing was left."""

    stores = serializers.DictField(child=StoreSerializer(), read_only=True)
    verifiedAt = Milliseconds(source="verified_at", read_only=True, allow_null=True)
    # By an erase map.
    plan = serializers.CharField(read_only=True, required=False)
    planChanged = serializers.BooleanField(source="plan_changed", read_only=True, required=False)
    foundNothing = serializers.BooleanField(source="found_nothing", read_only=True, required=False)

    def to_representation(self, instance: dict[str, Any]) -> dict[str, Any]:
        verified_at = instance.get("verified_at")
        at = verified_at and datetime.fromisoformat(verified_at)
        return super().to_representation({**instance, "stores": dict(stores_of(instance)), "verified_at": at})


class EventSerializer(serializers.Serializer[JobEvent]):
    """One event of a job."""

    at = Milliseconds(read_only=True)
    what = serializers.ChoiceField(choices=JobEvent.What.values, read_only=True)
    from_ = serializers.ChoiceField(choices=STATUSES, source="from_status", read_only=True, allow_null=True)
    to = serializers.ChoiceField(choices=STATUSES, source="to_status", read_only=True)
    attempt = serializers.IntegerField(read_only=True)
    by = serializers.CharField(source="actor", read_only=True)
    note = serializers.CharField(read_only=True, allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        # ``from`` is a keyword of Python's.
        return {name.rstrip("_"): field for name, field in super().get_fields().items()}

    def to_representation(self, instance: JobEvent) -> dict[str, Any]:
        # What differs for integrators; the first event of a job has no status before it.
        public = {"from": instance.from_status or None, "by": public_actor(instance), "note": public_note(instance)}
        return {**super().to_representation(instance), **public}


class AttemptSerializer(serializers.Serializer[Attempt]):
    """One attempt of a job and its outcome."""

    attempt = serializers.IntegerField(source="number", read_only=True)
    claimedAt = Milliseconds(source="claimed.at", read_only=True)
    endedAt = Milliseconds(source="ended_at", read_only=True, allow_null=True)
    outcome = serializers.ChoiceField(choices=[RUNNING, *OUTCOMES.values()], read_only=True)
    error = serializers.SerializerMethodField()

    def get_error(self, attempt: Attempt) -> str | None:
        # Without a docstring, which would be a part of the OpenAPI document.
        return public_note(attempt.ended) if attempt.ended is not None and attempt.has_error else None


def parse_include(query: Mapping[str, list[str]]) -> frozenset[str]:
    """Return the names in ``include``, which may be repeated or hold several names, separated by commas.

    Raises:
        InvalidField: one is not in ``INCLUDABLE``.
    """
    names = [name for value in query.get("include", ()) for name in value.split(",") if name]
    for name in names:
        if name not in INCLUDABLE:
            known = ", ".join(INCLUDABLE)
            raise InvalidField("include", f"must be some of {known}, separated by commas, not {quoted(name)}")
    return frozenset(names)


def included_members(job: Job, include: frozenset[str], *, now: datetime) -> dict[str, Any]:
    """Return the members asked for; at most three queries, however long the job's history is."""
    members: dict[str, Any] = {}
    if "progress" in include:
        wait = explain_wait(job, now=now)
        members["progress"] = ProgressSerializer(job, context={"wait": wait}).data
    if "receipt" in include:
        members["receipt"] = ReceiptSerializer(job.receipt).data
    if not include.isdisjoint(("events", "attempts")):
        events = JobEvent.objects.using(jobs_connection().alias).filter(job=job.pk)
        history = read_history(events.defer("detail", "request_id"))
        if "events" in include:
            members["events"] = EventSerializer(cast("Any", history.events), many=True).data
            members["eventsCut"] = history.is_cut
        if "attempts" in include:
            members["attempts"] = AttemptSerializer(cast("Any", history.attempts), many=True).data
            members["attemptsCut"] = history.is_cut
    return members
