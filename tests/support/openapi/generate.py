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
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from jobs.error_codes import ERROR_CODES
from tests.support.openapi.answers import ERROR
from tests.support.openapi.examples import EXAMPLES
from tests.support.openapi.operations import OPERATIONS, PROJECT_KEY, REQUEST_ID, Operation

SCHEMA_CLASS: Final = f"{__name__}.JobsSchema"
SECURITY: Final = "organizationKey"
NAMES: Final = {"{project_key}": "{projectKey}", "{job_id}": "{jobId}", "{user_id}": "{userId}"}
OPTIONS: Final[dict[str, Any]] = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "jobs",
    "DESCRIPTION": "Long-running work on people's data, above all: erase everything about this user.\n\n"
    'Instants are milliseconds since 1970-01-01 UTC. Success is `{"data": …}`, an error is '
    '`{"error", "code", "requestId", "details"?}`.',
    "CAMELIZE_NAMES": True,
    "COMPONENT_SPLIT_REQUEST": True,
    "SORT_OPERATION_PARAMETERS": False,
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            SECURITY: {"type": "http", "scheme": "bearer", "description": "An API key of the organization: `jsk_…`"}
        }
    },
}
LIMITS: Final = [
    OpenApiParameter(name, str, OpenApiParameter.HEADER, response=True, description=text)
    for name, text in (
        ("RateLimit", 'What is left of the key\'s requests, and for how many seconds: `"key";r=599;t=34`.'),
        ("RateLimit-Policy", 'How many requests a key has, and within how many seconds: `"key";q=600;w=60`.'),
    )
]
# In place of docstrings, which are for those who read the code.
COMPONENTS: Final = {
    "Attempt": "One claim of a job and how it ended.",
    "Event": "One change of a job.",
    "Key": "An API key as its holder sees it; the key itself is not kept.",
    "Progress": 'How far a job is; ``context["wait"]`` says why it does not run yet.',
    "Receipt": "What a job did, store by store; ``verifiedAt``: the instant at which nothing was left of what it "
    "verified.",
    "Store": "What was found, done and left in one store; null: nobody counted.",
    "Wait": "Why a job does not run yet: ``what``, and ``until`` or ``since`` where it has one; null once it runs.",
    "Job": "A job. Clients must expect further members.",
    "Error": "Every answer that is not a success.",
    "JobAnswer": "One job.",
    "JobDetails": "A job, and after its ten members those that `include` asked for.",
    "JobDetailsAnswer": "One job.",
    "JobList": "Jobs; a page past the end is empty.",
    "KeyAnswer": "The key.",
    "NewJobsRequest": "What is asked for, in one transaction.",
    "NewJobRequest": "What is asked for; times are optional, and a past one means now.",
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
    for name, text in COMPONENTS.items():
        document["components"]["schemas"][name]["description"] = text
    return json.loads(json.dumps(document))


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
        return ["Jobs"]

    def get_auth(self) -> list[dict[str, Any]]:
        return [{SECURITY: []}]

    def get_override_parameters(self) -> list[Any]:
        of_path = [PROJECT_KEY] if "{project_key}" in self.path else []
        every = OpenApiParameter(
            "X-Request-Id", str, OpenApiParameter.HEADER, response=True, description="The id of this request."
        )
        return [*of_path, *self.operation.parameters, REQUEST_ID, every, *LIMITS]

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
            codes = [code for code in self.operation.errors if ERROR_CODES[code].status == status]
            causes = "\n".join(f"- `{code}`: {ERROR_CODES[code].cause}" for code in codes)
            answers[status] = OpenApiResponse(ERROR, causes)
        return answers

    def _examples(self, status: int) -> list[OpenApiExample]:
        body = EXAMPLES.get((self.operation.id, status))
        return [OpenApiExample(self.operation.summary, body, response_only=True)] if body else []


class _Described(OpenApiSerializerFieldExtension):
    """Base of the descriptions of our own serializer fields."""

    schema: dict[str, Any]

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return dict(self.schema)


class _Milliseconds(_Described):
    target_class = "jobs.api.serializers.Milliseconds"
    schema = {"type": "integer", "format": "int64", "description": "Milliseconds since 1970-01-01 UTC."}


class _Text(_Described):
    target_class = "jobs.api.serializers.Text"
    match_subclasses = True
    schema = {"type": "string"}


class _Members(_Described):
    target_class = "jobs.api.serializers.Members"
    schema = {"type": "object", "additionalProperties": {}}
