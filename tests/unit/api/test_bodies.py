import json
import re
import time
from typing import Any, Final

import pytest

from jobs.api.parsing import MAX_BODY_BYTES, parse_integer, parse_object
from jobs.exceptions import InvalidField
from jobs.models import Job
from tests.support.api_client import Api

OTHER_TYPES: Final = [
    *("text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx"),
    *("application/vnd.api+json", "application/json, application/json", "application/json; charset=utf-16"),
    *("application/json; charset=rot13", "application/json;charset=latin-1", "é", "*/*", "json"),
]
VALID: Final = b'{"action": "touch_publicly", "referenceId": "x"}'


def nested(depth: int) -> bytes:
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def problem_with(raw: bytes) -> str:
    with pytest.raises(InvalidField) as caught:
        parse_object(raw)
    assert caught.value.field == "body"
    return caught.value.problem


DUPLICATES: Final = [
    *(b'{"a": 1, "a": 1}', b'{"a": {"b": 1, "b": 2}}', b'{"a": 1, "\\u0061": 1}', b'{"\\ud800": 1, "\\ud800": 1}'),
]
NO_NUMBERS: Final = [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"1" * 310, b"1" * 60_000]
NO_JSON: Final = [
    *(b"", b" ", b"{", b"{}x", b"{'a': 1}", b'{"a": 01}', b'{"a": .5}', b'{"a": 0x1}', b'{"a": "\n"}', b'{"a": "\\x"}'),
    *(b'{"a": 1,}', b'{"a" 1}', b"{a: 1}", b'{"a": "', b'{"a": "\\', b'{"a": +1}', b'{"a": True}', b"// {}", b"{}{}"),
    *('{"a": ١}'.encode(), b"\x00", b"{}\x00", b'{"a":\x0b1}'),
]
NO_OBJECTS: Final = [b"[]", b"null", b"1", b'"a"', b"true", b'[{"a": 1}]']
NO_UTF_8: Final = [b'{"a": "\xff"}', b'{"a": "\xc0\x80"}', b'{"a": "\xed\xa0\x80"}', '{"a": "é"}'.encode("latin-1")]
PROBLEMS: Final = [
    *((raw, r"has the key .* twice") for raw in DUPLICATES),
    *((b'{"a": [' + number + b"]}", "must not have|has a number") for number in NO_NUMBERS),
    *((raw, r"is not JSON, see line [12] column \d+") for raw in NO_JSON),
    *((raw, "must be a JSON object") for raw in NO_OBJECTS),
    *((raw, "must be UTF-8") for raw in NO_UTF_8),
    *(('{"a": 1}'.encode(encoding), "must be UTF-8|is not JSON") for encoding in ("utf-16", "utf-16-le", "utf-32")),
    (b"\xef\xbb\xbf{}", "must not start with a byte order mark"),
]


@pytest.mark.parametrize(("raw", "problem"), PROBLEMS)
def test_a_body_that_is_no_strict_json_object_is_refused(raw: bytes, problem: str):
    assert re.match(problem, problem_with(raw))


def test_32_levels_are_accepted_and_33_are_not_but_brackets_in_strings_do_not_nest():
    assert parse_object(nested(32))
    assert problem_with(nested(33)) == "must not be nested deeper than 32"
    assert parse_object(json.dumps({"a": '[{"\\' * 100}).encode())


@pytest.mark.parametrize(
    "raw",
    [
        *(b"[" * MAX_BODY_BYTES, b'{"a":' * 10_000, b'"' + b'\\"' * 32_000, b'{"a": "' + b"\\" * 65_000, b"-" * 65_000),
        *(b'{"a": ' + rest for rest in (b"1" * 65_000, b"1" * 65_000 + b".0}", b" " * 65_000)),
        b'{"a": 1e' + b"9" * 65_000 + b"}",
        b"{" + b",".join(b'"%d":0' % number for number in range(6000)),
    ],
)
def test_parsing_takes_time_proportional_to_the_length(raw: bytes):
    begun = time.perf_counter()

    with pytest.raises(InvalidField):
        parse_object(raw)

    assert time.perf_counter() - begun < 0.5


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("-0", 0), ("+7", 7), ("007", 7), ("-12", -12), (str(2**63), 2**63)]
    + [("9" * 100_000, 10**19), ("-" + "9" * 20, -(10**19)), ("0" * 100_000 + "5", 5)]
    + [(text, None) for text in ["", " 1", "1 ", "1\n", "1_0", "1.0", "١", "５", "0x1", "+-1", "+", "-", "\0", "²"]],
)
def test_one_grammar_for_integers(text: str, number: int | None):
    assert parse_integer(text) == number


def status_and_code(api: Api, body: Any, **further: Any) -> tuple[int, str]:
    response = api.post("/jobs", body, **further)
    assert response["Content-Type"] == "application/json"
    assert not Job.objects.exists()
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize("content_type", OTHER_TYPES)
def test_another_content_type_is_refused(api: Api, content_type: str):
    assert status_and_code(api, VALID, content_type=content_type) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON", "application/json; charset=UTF-8", "application/json;v=1"]
)
def test_json_is_accepted_in_every_spelling_of_its_type(api: Api, content_type: str):
    assert api.post("/jobs", VALID, content_type=content_type).status_code == 201


def test_64_kib_are_accepted_and_more_is_refused_before_the_content_is_read(api: Api):
    padding = MAX_BODY_BYTES - len(VALID)

    assert status_and_code(api, VALID + b" " * (padding + 1)) == (413, "payload_too_large")
    assert status_and_code(api, b"\xff" * 100_000) == (413, "payload_too_large")
    assert api.post("/jobs", VALID + b" " * padding).status_code == 201
