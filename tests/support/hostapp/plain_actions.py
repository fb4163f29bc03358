"""Actions without models, which the other hosts of the tests register as well."""

from datetime import timedelta

from rest_framework import serializers

from jobs import JobContext, action


@action("touch", description="Touch {reference_id}")
def touch(job: JobContext) -> None:
    """Do nothing."""


@action("touch_once", description="Touch {reference_id} once", unique=True)
def touch_once(job: JobContext) -> None:
    """Do nothing, in one job at a time for a reference."""


@action("touch_at_midnight", description="Touch {reference_id}", start="next_midnight")
def touch_at_midnight(job: JobContext) -> None:
    """Do nothing, from the next midnight on."""


@action("touch_in_an_hour", description="Touch {reference_id}", start=timedelta(hours=1))
def touch_in_an_hour(job: JobContext) -> None:
    """Do nothing, an hour later."""


class RangeSerializer(serializers.Serializer):
    least = serializers.IntegerField()


class TouchSerializer(serializers.Serializer):
    note = serializers.CharField(trim_whitespace=False)
    share = serializers.FloatField(required=False)
    ranges = RangeSerializer(many=True, required=False)
    extra = serializers.JSONField(required=False)


@action("touch_with", description="Touch {reference_id}", parameters=TouchSerializer)
def touch_with(job: JobContext) -> None:
    """Do nothing, with parameters."""


@action("touch_publicly", description="Touch {reference_id} when asked", public=True)
def touch_publicly(job: JobContext) -> None:
    """Do nothing, for integrators."""


@action(
    "touch_publicly_once", description="Touch {reference_id} once", public=True, unique=True, start=timedelta(hours=1)
)
def touch_publicly_once(job: JobContext) -> None:
    """Do nothing, for integrators, an hour later, in one job at a time for a reference."""


@action("touch_publicly_with", description="Touch {reference_id}", public=True, parameters=TouchSerializer)
def touch_publicly_with(job: JobContext) -> None:
    """Do nothing, for integrators, with parameters."""
