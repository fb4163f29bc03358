import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpRequest

from jobs.logging import MaskReferences, mask
from jobs.models import Job
from tests.support.api_client import Api
from tests.support.logs import kept_records

CANARY = "canary.bird@example.com"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        # What follows the users.
        ("/public/K/users/a@b.c", "/public/K/users/***"),
        ("/public/K/users/a/b c\"d'e", "/public/K/users/***"),
        ("/public/K/users/a\nb", "/public/K/users/***"),
        ("/public/K/users/a?b=c", "/public/K/users/***"),
        ('"DELETE /public/K/users/a%40b.c HTTP/1.1" 200 5', '"DELETE /public/K/users/*** HTTP/1.1" 200 5'),
        ("/public/K/users%2Fa@b.c", "/public/K/users%2F***"),
        ("/public/K/%75ser%73%2fa@b.c", "/public/K/%75ser%73%2f***"),
        ("Not Found: /public/K/users/a@b.c", "Not Found: /public/K/users/***"),
        # What a query may tell of people.
        ("/public/K/jobs/5?reason=a%20b", "/public/K/jobs/5?reason=***"),
        ("/public/K/jobs/5?a=1&reason=a+b&include=progress", "/public/K/jobs/5?a=1&reason=***&include=progress"),
        ("/public/K/jobs?status=failed&referenceId=a%40b.c", "/public/K/jobs?status=failed&referenceId=***"),
        ("?reason=a&reason=b", "?reason=***&reason=***"),
        ("?%72easo%6E=a&x=1", "?%72easo%6E=***&x=1"),
        ('"DELETE /public/K/jobs/5?reason=a"b HTTP/1.1" 200 5', '"DELETE /public/K/jobs/5?reason=*** HTTP/1.1" 200 5'),
        ("reason=a&include=progress", "reason=***&include=progress"),
        ("Bad Request: /public/K/jobs/5?reason=a\nb", "Bad Request: /public/K/jobs/5?reason=***"),
        # And nothing else.
        *((same, same) for same in ("/public/K/users/", "/public/K/jobs/5", "nothing", "", "/public/K/jobs/5?reason=")),
        *((same, same) for same in ("/public/K/jobs?reasons=5&unreason=6", "worker=w stopped, reason=timeout")),
    ],
)
def test_what_follows_users_or_stands_in_a_query_of_people_is_masked_and_nothing_else(text: str, masked: str):
    assert mask(text) == masked


def record(message: Any, *arguments: Any, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("x", logging.INFO, "x.py", 1, message, arguments, None)
    made.__dict__.update(extra)
    return made


@pytest.mark.parametrize(
    ("message", "arguments", "masked"),
    [
        (f"/p/users/{CANARY}", (), "/p/users/***"),
        ("%s: %s", ("Not Found", f"/p/users/{CANARY}"), "Not Found: /p/users/***"),
        ("%(U)s %(s)s", ({"U": f"/p/users/{CANARY}", "s": 404},), "/p/users/*** 404"),
        ("%s %d %s", (f"GET /p/users/{CANARY} HTTP/1.1", 5, None), "GET /p/users/*** HTTP/1.1 5 None"),
        ("%s %s", ("a", 5), "a 5"),
    ],
)
def test_message_and_arguments_are_masked(message: str, arguments: tuple[Any, ...], masked: str):
    made = record(message, *arguments)

    assert MaskReferences().filter(made)
    assert made.getMessage() == masked


def test_the_atoms_of_an_access_log_stay_what_they_are():
    atoms = Atoms(U=f"/p/users/{CANARY}")
    made = record("%(U)s %(missing)s", atoms)

    MaskReferences().filter(made)

    assert made.getMessage() == "/p/users/*** -"
    assert atoms["U"].endswith(CANARY)


class Atoms(dict):
    """As gunicorn has them: a key that is missing is a dash."""

    def __getitem__(self, key: str) -> str:
        return super().get(key, "-")


def test_a_request_is_taken_off_the_record_only_if_its_path_or_query_was_masked():
    by_path, by_query, other = HttpRequest(), HttpRequest(), HttpRequest()
    by_path.path, by_query.path, other.path = f"/p/users/{CANARY}", "/p/jobs/5", "/p/jobs"
    by_query.META["QUERY_STRING"] = f"a=1&reason={CANARY}"
    other.META["QUERY_STRING"] = "limit=5"
    records = [record("x", request=request) for request in (by_path, by_query, other)]

    for made in records:
        MaskReferences().filter(made)

    assert [made.request for made in records] == [None, None, other]


@pytest.fixture
def everything_logged() -> Iterator[list[logging.LogRecord]]:
    with kept_records(MaskReferences()) as records:
        yield records


def test_no_log_tells_a_user_or_a_key(api: Api, everything_logged: list[logging.LogRecord]):
    key = api.secret
    wrong_key = f"{key[:-1]}{'a' if key[-1] != 'a' else 'b'}"
    body = {"action": "delete_user_data", "referenceId": CANARY, "description": f"For {CANARY}"}

    created = api.delete(f"/users/{CANARY}").json()["data"]["jobId"]
    for path in (f"/jobs/{created}", "/jobs/abc", f"/jobs?page={CANARY}", f"/users/{CANARY}", "/nowhere"):
        api.get(path)
    for user in (CANARY, f"{CANARY}%00", f"{CANARY}//", f"%FF{CANARY}", CANARY.replace("@", "%40")):
        api.delete(f"/users/{user}")
    for sent in (body, {**body, CANARY: 1}, f'{{"{CANARY}": 1, "{CANARY}": 1}}'.encode()):
        api.post("/jobs", sent)
    for reason in (f"{CANARY}%00", f"For%20{CANARY}", f"For%20{CANARY}"):
        api.delete(f"/jobs/{created}?reason={reason}")
    api.get(f"/jobs/{created}?include=events")
    api.secret = wrong_key
    api.delete(f"/users/{CANARY}")

    assert Job.objects.filter(reference_id=CANARY, status="cancelled").exists()
    assert any("/users/***" in record.getMessage() for record in everything_logged)
    for found in everything_logged:
        told = f"{found.getMessage()} {found.exc_text} {found.stack_info} {found.__dict__}"
        assert not [each for each in (CANARY.split("@")[0], key, wrong_key) if each in told]
