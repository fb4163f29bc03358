"""Two checks of Schemathesis without the findings that are as they should be; Schemathesis loads this file."""

import re
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import schemathesis
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

# Why a well-formed request may be refused: what no schema can say.
STATES: Final = {"transition_refused", "idempotency_key_reused"}
WORDS: Final = re.compile(
    r"(jobs\[\d+\]\.)?parameters(\[|\.|: )"  # the action says which there are
    r"|action: \S+ (erases by no map|has no preview)"  # the service says which erase by one
    r"|(jobs\[\d+\]\.)?expect: is for "  # a new job has one schema, also for calls that take no `expect`
    r"|cursor: is "  # only the service makes one
    r"|\S+: must be at most \d+ bytes of UTF-8"  # a schema counts characters
    r"|\S+: must not be blank"
    r"|userId: must not start or end with '/'"
    # Schemathesis checks the path as it is sent, percent-encoded, and then takes a forbidden one for an allowed one.
    r"|userId: must not contain control characters"
)
# By the contract these never fail a call, whatever they hold.
NEVER_FAIL: Final = {"limit", "page"}


@schemathesis.check
def accepts_positive_data(ctx: Any, response: Any, case: Any) -> None:
    if not (400 <= response.status_code < 500 and is_json(response) and is_beyond_schemas(response.json())):
        positive_data_acceptance(ctx, response, case)


@schemathesis.check
def rejects_negative_data(ctx: Any, response: Any, case: Any) -> None:
    never_fails = case.operation.definition.raw["operationId"] == "listJobs" and broken_in(case) <= NEVER_FAIL
    if not (never_fails or (broken_in(case) == {"include"} and includes_nothing(response.request.url))):
        negative_data_rejection(ctx, response, case)


def is_json(response: Any) -> bool:
    """Whether the app has answered, and not the server before it."""
    return bool(response.headers.get("content-type", [""])[0] == "application/json")


def is_beyond_schemas(body: dict[str, Any]) -> bool:
    """Whether an error says of nothing but what no schema can say."""
    errors = [f"{error['field']}: {error['error']}" for error in body.get("details", {}).get("errors", ())]
    return body["code"] in STATES or (bool(errors) and all(map(WORDS.match, errors)))


def includes_nothing(address: str) -> bool:
    """Whether ``include`` is empty, as clients send an empty list of names separated by commas (RFC 6570, §3.2.8)."""
    sent = parse_qs(urlsplit(address).query, keep_blank_values=True)
    return not "".join(sent.get("include", "")).strip(",")


def broken_in(case: Any) -> set[str]:
    """Return the names of the parameters that were made wrong on purpose."""
    if case.meta is None:
        return set()
    made = case.meta.phase.data
    return {made.parameter, *(mutation.parameter for mutation in getattr(made, "mutations", ()))} - {None}
