"""Generates the OpenAPI document with drf-spectacular, a dependency of development only."""

import json
from importlib.metadata import version
from typing import Any, Final

from django.test.utils import override_settings
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import OpenApiExample, OpenApiResponse

from jobs.api.previews import MOST_EXPECTED
from jobs.error_codes import ERROR_CODES
from tests.support.openapi.answers import ERROR
from tests.support.openapi.examples import EXAMPLES
from tests.support.openapi.finish import finish
from tests.support.openapi.members import ENUMS
from tests.support.openapi.operations import OPERATIONS, PROJECT_KEY, REQUEST_ID, Operation

SCHEMA_CLASS: Final = f"{__name__}.JobsSchema"
SECURITY: Final = "organizationKey"
NAMES: Final = {"{project_key}": "{projectKey}", "{job_id}": "{jobId}", "{user_id}": "{userId}"}
OPTIONS: Final[dict[str, Any]] = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "jobs",
    "DESCRIPTION": "Long-running work on people's data, above all: erase everything about this user.\n\n"
    'Instants are milliseconds since 1970-01-01 UTC. Success is `{"data": …}`, an error is '
    '`{"error", "code", "requestId", "docs", "details"?}`. Clients must expect further members in answers.',
    "TAGS": [
        {"name": "Jobs", "description": "Create jobs, find them, follow them, cancel them."},
        {"name": "Users", "description": "Erase all that is kept about a user."},
        {"name": "Keys", "description": "What an API key is and may do."},
    ],
    "CAMELIZE_NAMES": True,
    "COMPONENT_SPLIT_REQUEST": True,
    "SORT_OPERATION_PARAMETERS": False,
    "ENUM_NAME_OVERRIDES": ENUMS,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            SECURITY: {"type": "http", "scheme": "bearer", "description": "An API key of the organization: `jsk_…`"}
        }
    },
}


def generate() -> dict[str, Any]:
    """Return the document, paths without a prefix; warnings of drf-spectacular are printed, and an error."""
    GENERATOR_STATS.reset()
    options = {**OPTIONS, "VERSION": version("django-jobsite")}
    with override_settings(REST_FRAMEWORK={"DEFAULT_SCHEMA_CLASS": SCHEMA_CLASS}), patched_settings(options):
        document: dict[str, Any] = SchemaGenerator(urlconf="jobs.api.urls").get_schema(request=None, public=True)
    if GENERATOR_STATS:
        GENERATOR_STATS.emit_summary()
        raise RuntimeError("the document could not be made without warnings")
    return finish(json.loads(json.dumps(document)))


def as_text() -> str:
    return json.dumps(generate(), indent=1, ensure_ascii=False) + "\n"


class JobsSchema(AutoSchema):
    """Describes the endpoints by :data:`OPERATIONS`; the rest drf-spectacular finds in the views."""

    @property
    def operation(self) -> Operation:
        path = self.path
        for ours, theirs in NAMES.items():
            path = path.replace(ours, theirs)
        return OPERATIONS[self.method, path]

    def get_operation_id(self) -> str:
        return self.operation.id

    def get_summary(self) -> str:
        return self.operation.summary

    def get_description(self) -> str:
        scope = self.operation.scope
        return self.operation.description + (f" Needs a key with the scope `{scope}`." if scope else "")

    def get_tags(self) -> list[str]:
        return [self.operation.tag]

    def get_auth(self) -> list[dict[str, Any]]:
        return [{SECURITY: []}]

    def get_override_parameters(self) -> list[Any]:
        of_path = [PROJECT_KEY] if "{project_key}" in self.path else []
        return [*of_path, *self.operation.parameters, REQUEST_ID]

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False  # the bodies of lists are described as they are

    def get_request_serializer(self) -> Any:
        return self.operation.request

    def get_response_serializers(self) -> Any:
        answers: dict[int, Any] = {
            status: OpenApiResponse(body, sentence, examples=self._examples(status))
            for status, body, sentence in self.operation.success
        }
        for status in sorted({ERROR_CODES[code].status for code in self.operation.errors}):
            causes = "\n".join(f"- `{code}`: {ERROR_CODES[code].cause}" for code in self.operation.codes(status))
            answers[status] = OpenApiResponse(ERROR, causes)
        return answers

    def _examples(self, status: int) -> list[OpenApiExample]:
        named = EXAMPLES.get((self.operation.id, status), {})
        return [OpenApiExample(name, body, response_only=True) for name, body in named.items()]


class _Described(OpenApiSerializerFieldExtension):
    """Base of the descriptions of our own serializer fields."""

    schema: dict[str, Any]

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return dict(self.schema)


class _Milliseconds(_Described):
    target_class = "jobs.api.serializers.Milliseconds"
    schema = {"type": "integer", "description": "Milliseconds since 1970-01-01 UTC."}


class _Text(_Described):
    target_class = "jobs.api.serializers.Text"
    match_subclasses = True
    schema = {"type": "string"}


class _Members(_Described):
    target_class = "jobs.api.serializers.Members"
    schema = {"type": "object", "additionalProperties": {}}


class _Expect(_Described):
    target_class = "jobs.api.previews.Expect"
    schema = {
        "type": "object",
        "properties": {
            "plan": {"type": "string", "minLength": 32, "maxLength": 32, "description": "The plan of the preview."},
            "atLeast": {
                "type": "integer",
                "minimum": 1,
                "maximum": MOST_EXPECTED,
                "description": "How many rows must have the reference.",
            },
        },
        "minProperties": 1,
        "additionalProperties": False,
    }
