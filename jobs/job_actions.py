"""The app's own actions, which are not public: ``change_jobs``."""

from typing import Any

from django.utils.crypto import constant_time_compare
from rest_framework import serializers

from .actions import action
from .execution.context import JobContext
from .services.commands import bulk_change, bulk_run


class BulkChangeSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """The parameters that ``request_change`` sends; its seal proves that nobody else did."""

    change = serializers.ChoiceField(choices=[change.value for change in bulk_change.Change])
    wanted = serializers.JSONField()
    highest_id = serializers.IntegerField()
    reason = serializers.CharField(allow_blank=True, trim_whitespace=False)
    staff = serializers.CharField(trim_whitespace=False)
    request_id = serializers.CharField(allow_blank=True, trim_whitespace=False)
    seal = serializers.CharField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse parameters without the seal of a confirmed bulk change."""
        unsealed = {name: value for name, value in attrs.items() if name != "seal"}
        if not constant_time_compare(attrs["seal"], bulk_change.seal_of(unsealed)):
            raise serializers.ValidationError("is asked for by the list of jobs in the admin only")
        return attrs

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return what is stored with the job: without the seal, which would let others repeat the change."""
        return {name: value for name, value in super().to_representation(instance).items() if name != "seal"}


@action(bulk_change.ACTION, description="Change jobs chosen by staff: {reference_id}", parameters=BulkChangeSerializer)
def change_jobs(job: JobContext) -> None:
    """Cancel, retry or run now all jobs that match a filter."""
    bulk_run.change_jobs(job)
