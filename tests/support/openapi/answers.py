"""The bodies of answers and requests, for the OpenAPI document only."""

from typing import Any, Final

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from jobs.api.include import AttemptSerializer, EventSerializer, ProgressSerializer, ReceiptSerializer
from jobs.api.serializers import JobSerializer, KeySerializer, NewJobSerializer


class JobDetailsSerializer(JobSerializer):
    """A job, and after its ten members those that ``include`` asked for."""

    progress = ProgressSerializer(required=False)
    receipt = ReceiptSerializer(required=False)
    events = EventSerializer(many=True, required=False)
    eventsCut = serializers.BooleanField(required=False, help_text="Whether older events were left out.")  # noqa: N815
    attempts = AttemptSerializer(many=True, required=False)
    attemptsCut = serializers.BooleanField(required=False, help_text="As eventsCut.")  # noqa: N815


JOB: Final[Any] = inline_serializer("JobAnswer", {"data": JobSerializer()})
DETAILS: Final[Any] = inline_serializer("JobDetailsAnswer", {"data": JobDetailsSerializer()})
JOBS: Final[Any] = inline_serializer("JobList", {"data": JobSerializer(many=True)})
ERROR: Final[Any] = inline_serializer(
    "Error",
    {
        "error": serializers.CharField(help_text="For people: what is wrong, and the cure."),
        "code": serializers.CharField(help_text="For programs: stable; the catalogue of errors lists all."),
        "requestId": serializers.CharField(help_text="Your X-Request-Id if it was well formed, else one made here."),
        "details": serializers.DictField(required=False, help_text="Facts; which, says the catalogue of errors."),
    },
)
KEY: Final[Any] = inline_serializer("KeyAnswer", {"data": KeySerializer()})
BATCH: Final[Any] = inline_serializer("NewJobs", {"jobs": NewJobSerializer(many=True)})
