"""The bodies of answers and requests, for the OpenAPI document only."""
# ruff: noqa: N815 – members have the names of the public contract

from typing import Any, Final

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from jobs.api.include import AttemptSerializer, EventSerializer, ProgressSerializer, ReceiptSerializer
from jobs.api.previews import PreviewSerializer
from jobs.api.serializers import JobSerializer, KeySerializer, NewJobSerializer


class JobDetailsSerializer(JobSerializer):
    """A job, and after its ten members those that ``include`` asked for."""

    progress = ProgressSerializer(required=False)
    receipt = ReceiptSerializer(required=False)
    events = EventSerializer(many=True, required=False)
    eventsCut = serializers.BooleanField(required=False)
    attempts = AttemptSerializer(many=True, required=False)
    attemptsCut = serializers.BooleanField(required=False)


JOB: Final[Any] = inline_serializer("JobAnswer", {"data": JobSerializer()})
DETAILS: Final[Any] = inline_serializer("JobDetailsAnswer", {"data": JobDetailsSerializer()})
PREVIEW: Final[Any] = inline_serializer("JobPreviewAnswer", {"data": PreviewSerializer()})
JOBS: Final[Any] = inline_serializer("JobList", {"data": JobSerializer(many=True)})
CONFLICT: Final[Any] = inline_serializer(
    "JobConflict",
    {
        "index": serializers.IntegerField(),
        "jobId": serializers.IntegerField(required=False),
        "sameAs": serializers.IntegerField(required=False),
    },
    many=True,
    required=False,
)
FIELD_ERROR: Final[Any] = inline_serializer(
    "FieldError",
    {"field": serializers.CharField(), "code": serializers.CharField(), "error": serializers.CharField()},
    many=True,
    required=False,
)
# One schema with optional members, not one for each code: every generator types it.
ERROR_DETAILS: Final[Any] = inline_serializer(
    "ErrorDetails",
    {
        "field": serializers.CharField(required=False),
        "errors": FIELD_ERROR,
        "job": JobSerializer(required=False),
        "conflicts": CONFLICT,
    },
    required=False,
)
ERROR: Final[Any] = inline_serializer(
    "ApiError",
    {
        "error": serializers.CharField(),
        "code": serializers.CharField(),
        "requestId": serializers.CharField(),
        "docs": serializers.CharField(),
        "details": ERROR_DETAILS,
    },
)
KEY: Final[Any] = inline_serializer("KeyAnswer", {"data": KeySerializer()})
BATCH: Final[Any] = inline_serializer("NewJobs", {"jobs": NewJobSerializer(many=True)})
