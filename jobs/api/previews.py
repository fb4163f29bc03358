"""The answer of a preview, and what a job may expect of it."""
# ruff: noqa: N815 – members have the names of the public contract

from typing import Any, Final

from rest_framework import serializers

from ..erasure.declaration import What
from ..erasure.plan import DIGEST_CHARACTERS
from ..services.commands.schedule import Expectation
from ..services.reports.erase_preview import ErasePreview, StorePreview

MOST_EXPECTED: Final = 2**31 - 1


class StorePreviewSerializer(serializers.Serializer[StorePreview]):
    """What a job would do in one store; ``rows`` is null for files and a function of the service."""

    store = serializers.CharField(source="name", read_only=True)
    what = serializers.ChoiceField(choices=[what.value for what in What], read_only=True)
    because = serializers.CharField(read_only=True)
    rows = serializers.IntegerField(read_only=True, allow_null=True)
    atLeast = serializers.BooleanField(source="is_at_least", read_only=True)


class PreviewSerializer(serializers.Serializer[ErasePreview]):
    """What a job would do, store by store in its order."""

    plan = serializers.CharField(read_only=True)
    foundNothing = serializers.BooleanField(source="found_nothing", read_only=True)
    wouldFail = serializers.SerializerMethodField()
    stores = StorePreviewSerializer(many=True, read_only=True)

    def get_wouldFail(self, preview: ErasePreview) -> bool:  # noqa: N802 – as the field
        # Which model it is concerns only those who run the service.
        return bool(preview.refused_by)


class Expect(serializers.Field[Expectation, dict[str, Any], Any, Expectation]):
    """What must still hold of a preview: ``{"plan": "…", "atLeast": 1}``, each may be left out."""

    def to_internal_value(self, data: object) -> Expectation:
        if not isinstance(data, dict) or not data or not data.keys() <= {"plan", "atLeast"}:
            raise serializers.ValidationError("must be an object with plan, atLeast or both")
        plan, at_least = data.get("plan"), data.get("atLeast")
        if "plan" in data and (not isinstance(plan, str) or len(plan) != DIGEST_CHARACTERS):
            raise serializers.ValidationError(f"must have the plan of a preview, {DIGEST_CHARACTERS} characters")
        if type(at_least) is float and at_least.is_integer():  # to JSON Schema, whole numbers are integers
            at_least = int(at_least)
        if "atLeast" in data and (type(at_least) is not int or not 1 <= at_least <= MOST_EXPECTED):
            raise serializers.ValidationError("must have a whole number from 1 as atLeast")
        return Expectation(plan=plan, at_least=at_least)
