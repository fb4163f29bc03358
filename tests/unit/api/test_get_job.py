import pytest

from tests.support.api_client import Api
from tests.support.factories import make_job, make_project

NO_INTEGERS = "abc 1.0 1e3 0x1 1_0 ٣ ５ %20 %201 1%20 1%0A %00 -- +-1 1%2F2 null ... ' 1;2 NaN ²".split()
IMPOSSIBLE = ["0", "-1", "+0", "-0", str(2**31), str(2**63 - 1), str(2**63), str(10**30), "9" * 3000, "-" + "9" * 3000]


def test_a_job_is_answered_in_ten_fields(api: Api):
    job = make_job(project=api.project, reference_id="shekar@example.com")

    data = api.get(f"/jobs/{job.pk}").json()["data"]

    assert data["jobId"] == job.pk
    assert data["referenceId"] == "shekar@example.com"
    assert len(data) == 10


@pytest.mark.parametrize("form", ["{}", "+{}", "00{}"])
def test_every_form_of_the_integer_finds_it(api: Api, form: str):
    job = make_job(project=api.project)

    assert api.get(f"/jobs/{form.format(job.pk)}").json()["data"]["jobId"] == job.pk


@pytest.mark.parametrize("job_id", [word for word in NO_INTEGERS if "%2F" not in word])
def test_what_is_no_integer_is_refused(api: Api, job_id: str):
    response = api.get(f"/jobs/{job_id}")

    assert response.status_code == 400
    assert response.json()["error"] == "jobId: must be an integer"
    assert response.json()["code"] == "invalid_field"


@pytest.mark.parametrize("job_id", IMPOSSIBLE)
def test_an_integer_that_no_job_can_have_is_not_found(api: Api, job_id: str):
    response = api.get(f"/jobs/{job_id}")

    assert response.status_code == 404
    assert (response.json()["error"], response.json()["code"]) == ("job not found", "job_not_found")


def test_a_job_of_another_project_is_not_found(api: Api):
    sibling = make_project(organization=api.project.organization)
    job = make_job(project=sibling)

    assert api.get(f"/jobs/{job.pk}").status_code == 404


@pytest.mark.parametrize(("path", "status"), [("/jobs", 200), ("/jobs/0", 404), ("/jobs/abc", 400)])
def test_no_other_answer_may_be_kept(api: Api, path: str, status: int):
    response = api.get(path)

    assert (response.status_code, response["Cache-Control"]) == (status, "private, no-store")
    assert not response.has_header("ETag")
