import pytest

from jobs.status import Status
from tests.support.api_client import Api
from tests.support.factories import make_job

FALLBACKS = "0 201 -1 abc 1.0 1e2 50x 0x10 1_0 ٥ ５ %20 %2010 10%20 %0A10 ++1 +- %00 9223372036854775808".split()


def ids_of(response) -> list[int]:
    return [job["jobId"] for job in response.json()["data"]]


def test_jobs_come_newest_first_in_a_bare_array(api: Api):
    first, second = make_job(project=api.project), make_job(project=api.project)

    response = api.get("/jobs")

    assert response.status_code == 200
    assert ids_of(response) == [second.pk, first.pk]
    assert list(response.json()) == ["data"]


def test_without_jobs_the_array_is_empty(api: Api):
    assert api.get("/jobs").content == b'{"data":[]}'


def test_jobs_in_every_status_are_listed(api: Api):
    for status in Status:
        make_job(project=api.project, status=status)

    listed = {job["status"] for job in api.get("/jobs").json()["data"]}

    assert listed == {"scheduled", "running", "completed", "failed", "cancelled"}


def test_jobs_of_other_projects_are_not_listed(api: Api):
    make_job()

    assert api.get("/jobs").json() == {"data": []}


def test_limit_and_page_cut_the_list(api: Api):
    jobs = [make_job(project=api.project).pk for _ in range(5)]

    assert ids_of(api.get("/jobs?limit=2")) == [jobs[4], jobs[3]]
    assert ids_of(api.get("/jobs?limit=2&page=3")) == [jobs[0]]
    assert ids_of(api.get("/jobs?limit=2&page=4")) == []


@pytest.mark.parametrize("number", ["2", "+2", "%2B2", "002", "2&limit=1"])
def test_a_limit_is_an_integer_and_the_first_one_counts(api: Api, number: str):
    for _ in range(3):
        make_job(project=api.project)
    expected = 3 if number == "+2" else 2  # an unescaped plus in a query is a blank

    assert len(ids_of(api.get(f"/jobs?limit={number}"))) == expected


@pytest.fixture
def many(api: Api) -> Api:
    """A project with more jobs than a page of the default size holds."""
    for _ in range(51):
        make_job(project=api.project)
    return api


@pytest.mark.parametrize("limit", ["", *FALLBACKS])
def test_any_other_limit_falls_back_to_50(many: Api, limit: str):
    response = many.get(f"/jobs?limit={limit}")

    assert response.status_code == 200
    assert len(ids_of(response)) == 50


@pytest.mark.parametrize("page", ["", *[word for word in FALLBACKS if word not in ("201", "9223372036854775808")]])
def test_any_other_page_falls_back_to_1(api: Api, page: str):
    job = make_job(project=api.project)

    assert ids_of(api.get(f"/jobs?page={page}")) == [job.pk]


@pytest.mark.parametrize("page", ["2", "201", str(2**31), str(2**62), str(2**63 - 1), str(2**63), "9" * 3000])
def test_a_page_past_the_end_is_empty_however_far(api: Api, page: str):
    make_job(project=api.project)

    response = api.get(f"/jobs?page={page}&limit=200")

    assert response.status_code == 200
    assert response.json() == {"data": []}


def test_limit_has_bounds_of_1_and_200(api: Api):
    for _ in range(201):
        make_job(project=api.project)

    assert len(ids_of(api.get("/jobs?limit=1"))) == 1
    assert len(ids_of(api.get("/jobs?limit=200"))) == 200


def test_unknown_parameters_and_forms_are_ignored(api: Api):
    job = make_job(project=api.project)

    response = api.get("/jobs?format=html&api&=&status[]=x", headers={"Accept": "text/html"})

    assert response["Content-Type"] == "application/json"
    assert ids_of(response) == [job.pk]


def test_head_answers_as_get_without_a_body(api: Api):
    response = api.call("HEAD", "/jobs")

    assert response.status_code == 200
    assert response.content == b""
