import pytest

from jobs.status import Status
from tests.support.api_client import Api, ids_of
from tests.support.factories import make_job

FALLBACKS = "0 201 -1 abc 1.0 1e2 50x 0x10 1_0 ٥ ５ %20 %2010 10%20 %0A10 ++1 +- %00 9223372036854775808".split()


def test_jobs_in_every_status_are_listed_and_head_answers_without_a_body(api: Api):
    for status in Status:
        make_job(project=api.project, status=status)

    response, head = api.get("/jobs"), api.call("HEAD", "/jobs")

    assert {job["status"] for job in response.json()["data"]} == set(Status)
    assert (head.status_code, head.content) == (200, b"")


def test_limit_and_page_cut_the_list_of_which_the_newest_come_first(api: Api):
    jobs = [make_job(project=api.project).pk for _ in range(201)]

    assert ids_of(api.get("/jobs?limit=200")) == jobs[:0:-1]
    assert ids_of(api.get("/jobs?limit=1")) == [jobs[-1]]
    assert ids_of(api.get("/jobs?limit=2&page=101")) == [jobs[0]]
    assert api.get("/jobs?limit=2&page=102").content == b'{"data":[]}'


@pytest.mark.parametrize("number", ["2", "+2", "%2B2", "002", "2&limit=1"])
def test_a_limit_is_an_integer_and_the_first_one_counts(api: Api, number: str):
    for _ in range(3):
        make_job(project=api.project)
    expected = 3 if number == "+2" else 2  # an unescaped plus in a query is a blank

    assert len(ids_of(api.get(f"/jobs?limit={number}"))) == expected


@pytest.mark.parametrize("limit", ["", *FALLBACKS])
def test_any_other_limit_becomes_50(api: Api, limit: str):
    for _ in range(51):
        make_job(project=api.project)

    response = api.get(f"/jobs?limit={limit}")

    assert response.status_code == 200
    assert len(ids_of(response)) == 50


@pytest.mark.parametrize("page", ["", *[word for word in FALLBACKS if word not in ("201", "9223372036854775808")]])
def test_any_other_page_becomes_1(api: Api, page: str):
    job = make_job(project=api.project)

    assert ids_of(api.get(f"/jobs?page={page}")) == [job.pk]


@pytest.mark.parametrize("page", ["2", "201", str(2**31), str(2**62), str(2**63 - 1), str(2**63), "9" * 3000])
def test_a_page_past_the_end_is_empty_however_far(api: Api, page: str):
    make_job(project=api.project)

    response = api.get(f"/jobs?page={page}&limit=200")

    assert response.status_code == 200
    assert response.json() == {"data": []}
