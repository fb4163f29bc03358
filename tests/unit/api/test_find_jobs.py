"""Filters and ``sort`` of the list."""

import re
from datetime import timedelta
from urllib.parse import quote

import pytest

from jobs.status import Status
from tests.support.api_client import Api, assert_error, ids_of
from tests.support.factories import LONG_AGO, make_job

MS = 1_735_732_800_000  # LONG_AGO
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=failed", [3]),
        ("status=failed&status=scheduled", [3, 0]),
        ("status=failed&status=failed", [3]),
        ("action=erase", [4, 1]),
        ("action=unheard-of", []),
        ("referenceId=a%2Bb%40example.com", [2]),
        ("referenceId=a", []),
        (f"createdFrom={MS + 2000}", [4, 3, 2]),
        (f"createdTo={MS + 2000}", [1, 0]),
        (f"createdFrom={MS + 1000}&createdTo={MS + 3000}", [2, 1]),
        (f"createdFrom={MS + 3000}&createdTo={MS + 1000}", []),
        (f"startFrom={MS - 2000}", [2, 1, 0]),
        (f"startTo=%2B{MS - 2000}", [4, 3]),
        ("createdFrom=0", [4, 3, 2, 1, 0]),
        ("sort=jobId", [0, 1, 2, 3, 4]),
        ("sort=startAt", [4, 3, 2, 1, 0]),
        ("sort=-startAt", [0, 1, 2, 3, 4]),
        ("sort=-jobId&sort=nonsense", [4, 3, 2, 1, 0]),
        (f"action=erase&status=cancelled&createdFrom={MS}&sort=startAt", [4]),
    ],
)
def test_filters_and_sort_give_the_jobs_asked_for(api: Api, query: str, expected: list[int]):
    statuses = [Status.SCHEDULED, Status.RUNNING, Status.COMPLETED, Status.FAILED, Status.CANCELLED]
    jobs = [
        make_job(
            project=api.project,
            status=status,
            action="erase" if number in (1, 4) else "touch",
            reference_id="a+b@example.com" if number == 2 else "b",
            created_at=LONG_AGO + number * SECOND,
            start_at=LONG_AGO - number * SECOND,
        )
        for number, status in enumerate(statuses)
    ]

    assert ids_of(api.get(f"/jobs?{query}")) == [jobs[number].pk for number in expected]


@pytest.mark.parametrize("sort", ["jobId", "-jobId", "startAt", "-startAt"])
def test_another_project_s_jobs_are_never_listed(api: Api, sort: str):
    make_job(reference_id="x", status=Status.FAILED)
    asked = f"status=failed&action=touch&referenceId=x&createdFrom=0&startFrom=0&sort={sort}"

    assert api.get(f"/jobs?{asked}").json() == {"data": []}


TIMES = ["createdFrom", "createdTo", "startFrom", "startTo"]
BEYOND = [
    "253402300800000",
    "-62135596800001",
    "-1",
    "1",
    "1600000000",
    "100000000000",
    "9" * 3000,
    "9223372036854775808",
]
NO_TIME = "must be an integer|instant|before 1970|seems to be in seconds|must not be empty"
NO_INTEGERS = ["", "x", "1.0", "1e3", "1_0", "%D9%A1", "%201", "2025-01-01", "%00", "0x1"]


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", ["253402300799999", "100000000001", "0"])
def test_a_time_at_the_end_of_the_calendar_is_accepted(api: Api, name: str, value: str):
    make_job(project=api.project)

    assert api.get(f"/jobs?{name}={value}").status_code == 200


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        *((name, value, NO_TIME) for name in TIMES for value in [*NO_INTEGERS, *BEYOND]),
        ("status", "", "must not be empty"),
        ("status", "done", "scheduled, running, completed, failed, cancelled"),
        ("status", "FAILED", "must be one of"),
        ("status", "failed,running", "repeat the parameter"),
        ("status", "failed&status=x", "must be one of"),
        ("status", "failed&status=", "must not be empty"),
        ("status", "%00", "must be one of"),
        ("action", "", "must not be empty"),
        ("action", "%00", "control characters"),
        ("action", "a" * 101, "at most 100 characters"),
        ("referenceId", "", "must not be empty"),
        ("referenceId", "%20", "must not be blank"),
        ("referenceId", "a%00b", "control characters"),
        ("referenceId", "%C3%A4" * 129, "at most 256 bytes"),
        *((name, "5&" + name + "=5", "must be given once") for name in (*TIMES, "action", "referenceId")),
        ("sort", "", "jobId, -jobId, startAt, -startAt"),
        ("sort", "createdAt", "must be one of"),
        ("sort", "%2BjobId", "must be one of"),
        ("sort", "jobId,startAt", "must be one of"),
    ],
)
def test_an_impossible_value_is_refused_with_its_name_and_the_cure(api: Api, name: str, value: str, cure: str):
    response = api.get(f"/jobs?{name}={value}")

    assert_error(response, 400, "invalid_field", details={"field": name})
    assert re.match(f"{name}: .*(?:{cure})", response.json()["error"])


def test_the_value_of_a_refused_reference_is_not_repeated(api: Api):
    body = api.get(f"/jobs?referenceId={quote('jane@example.com' + chr(7))}").content.decode()

    assert "jane" not in body


@pytest.mark.parametrize("value", ["%ED%A0%80", "%FF", "%C3", "%EF%BF%BD", "%F0%9F%98%80", "'%3B--", "%25", "_", "%5C"])
def test_wildcards_and_odd_bytes_match_nothing(api: Api, value: str):
    make_job(project=api.project)

    assert api.get(f"/jobs?referenceId={value}").json() == {"data": []}
