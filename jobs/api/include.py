"""``?include=…``: what one job tells beyond its ten members, each only if asked for."""
# ruff: noqa: N815 – members are called as callers see them

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast

from rest_framework import serializers

from ..exceptions import InvalidField
from ..models import Job
from ..services.reports.history import Attempt, Event, get_history
from ..services.reports.wait_reasons import Wait, Waiting, explain_wait
from ..services.validation import quoted
from .parsing import first_of
from .serializers import Milliseconds

INCLUDABLE: Final = ("progress", "receipt", "events", "attempts")
"""In the order in which they follow the ten."""

WAITING_WORDS: Final = {
    Waiting.START_TIME: "startTime",
    Waiting.RETRY: "retry",
    Waiting.HELD: "held",
    Waiting.DISABLED: "disabled",
    Waiting.PAUSED: "paused",
    Waiting.WORKER: "worker",
    Waiting.TURN: "turn",
}
# The instant that belongs to each, also if it is null.
WAITING_INSTANTS: Final = {
    Waiting.START_TIME: "until",
    Waiting.RETRY: "until",
    Waiting.HELD: "since",
    Waiting.DISABLED: "since",
    Waiting.PAUSED: "since",
    Waiting.WORKER: "since",
}


class WaitSerializer(serializers.Serializer[Wait]):
    """Why a job does not run yet: ``what``, and ``until`` or ``since`` where it has one; null once it runs."""

    what = serializers.ChoiceField(choices=[*WAITING_WORDS.values()], read_only=True)
    until = Milliseconds(read_only=True, required=False)
    since = Milliseconds(read_only=True, required=False, allow_null=True)

    def get_attribute(self, instance: Any) -> Wait | None:
        """Return the wait; it is no column of the job's."""
        wait: Wait | None = self.context["wait"]
        return wait

    def to_representation(self, instance: Wait) -> dict[str, Any]:
        """Return ``what`` and the instant that belongs to it."""
        told: dict[str, Any] = {"what": WAITING_WORDS[instance.what]}
        name = WAITING_INSTANTS.get(instance.what)
        if name is not None:
            at = getattr(instance, name)
            told[name] = None if at is None else self.fields[name].to_representation(at)
        return told


class ProgressSerializer(serializers.Serializer[Job]):
    """How far a job is; ``context["wait"]`` says why it does not run yet."""

    done = serializers.IntegerField(source="progress_done", read_only=True)
    total = serializers.IntegerField(source="progress_total", read_only=True, allow_null=True)
    at = Milliseconds(source="progress_at", read_only=True, allow_null=True)
    attempt = serializers.IntegerField(read_only=True)
    waitingFor = WaitSerializer(read_only=True, allow_null=True)


class StoreSerializer(serializers.Serializer[Any]):
    """What was found, done and left in one store; null: nobody counted."""

    found = serializers.IntegerField(read_only=True, allow_null=True)
    done = serializers.IntegerField(read_only=True)
    left = serializers.IntegerField(read_only=True, allow_null=True)


class ReceiptSerializer(serializers.Serializer[Any]):
    """What a job did, store by store; ``verifiedAt``: the instant at which nothing was left of what it verified."""

    stores = serializers.DictField(child=StoreSerializer(), read_only=True)
    verifiedAt = Milliseconds(source="verified_at", read_only=True, allow_null=True)

    def to_representation(self, instance: dict[str, Any]) -> dict[str, Any]:
        """Return the receipt as it stands in the row, ``{}`` being one without stores."""
        stores, verified_at = instance.get("stores", {}), instance.get("verified_at")
        at = verified_at and datetime.fromisoformat(verified_at)
        return super().to_representation({"stores": stores, "verified_at": at})


class EventSerializer(serializers.Serializer[Event]):
    """One change of a job."""

    at = Milliseconds(read_only=True)
    what = serializers.CharField(read_only=True)
    from_ = serializers.CharField(source="was", read_only=True, allow_null=True)
    to = serializers.CharField(read_only=True)
    attempt = serializers.IntegerField(read_only=True)
    by = serializers.CharField(read_only=True)
    note = serializers.CharField(read_only=True, allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        """Return them by their public names: ``from`` is a word of Python's."""
        return {name.rstrip("_"): field for name, field in super().get_fields().items()}


class AttemptSerializer(serializers.Serializer[Attempt]):
    """One claim of a job and how it ended."""

    attempt = serializers.IntegerField(source="number", read_only=True)
    claimedAt = Milliseconds(source="claimed_at", read_only=True)
    endedAt = Milliseconds(source="ended_at", read_only=True, allow_null=True)
    outcome = serializers.CharField(read_only=True)
    error = serializers.CharField(read_only=True, allow_null=True)


def parse_include(query: Mapping[str, list[str]]) -> frozenset[str]:
    """Return the members that ``include`` names, separated by commas; the first ``include`` counts.

    Raises:
        InvalidField: one of them is none of ``INCLUDABLE``.
    """
    words = [word for word in first_of(query, "include").split(",") if word]
    for word in words:
        if word not in INCLUDABLE:
            known = ", ".join(INCLUDABLE)
            raise InvalidField("include", f"must be some of {known}, separated by commas, not {quoted(word)}")
    return frozenset(words)


def included(job: Job, include: frozenset[str], *, now: datetime) -> dict[str, Any]:
    """Return the members asked for, in their order; at most three queries, however long the job's history is."""
    members: dict[str, Any] = {}
    if "progress" in include:
        wait = explain_wait(job, now=now)
        members["progress"] = ProgressSerializer(job, context={"wait": wait}).data
    if "receipt" in include:
        members["receipt"] = ReceiptSerializer(job.receipt).data
    if not include.isdisjoint(("events", "attempts")):
        history = get_history(job)
        if "events" in include:
            members["events"] = EventSerializer(cast("Any", history.events), many=True).data
            members["eventsCut"] = history.is_cut
        if "attempts" in include:
            members["attempts"] = AttemptSerializer(cast("Any", history.attempts), many=True).data
            members["attemptsCut"] = history.is_cut
    return members
