import pytest

from tests.support.api_client import Api, assert_error
from tests.support.factories import make_job

NO_INTEGERS = "abc 1.0 1e3 0x1 1_0 ٣ ５ %20 %201 1%20 1%0A %00 -- +-1 null ... ' 1;2 NaN ²".split()
IMPOSSIBLE = ["0", "-1", "+0", "-0", str(2**31), str(2**63 - 1), str(2**63), str(10**30), "9" * 3000, "-" + "9" * 3000]


@pytest.mark.parametrize("form", ["{}", "+{}", "00{}"])
def test_every_form_of_the_integer_finds_the_job(api: Api, form: str):
    job = make_job(project=api.project)

    assert api.get(f"/jobs/{form.format(job.pk)}").json()["data"]["jobId"] == job.pk


@pytest.mark.parametrize(
    ("job_id", "status", "code", "error"),
    [
        *((job_id, 400, "invalid_field", "jobId: must be an integer") for job_id in NO_INTEGERS),
        *((job_id, 404, "job_not_found", "job not found") for job_id in IMPOSSIBLE),
    ],
)
def test_no_integer_is_refused_and_one_that_no_job_can_have_is_not_found(
    api: Api, job_id: str, status: int, code: str, error: str
):
    assert_error(api.get(f"/jobs/{job_id}"), status, code, error=error)


@pytest.mark.parametrize(("path", "status"), [("/jobs", 200), ("/jobs/0", 404), ("/jobs/abc", 400)])
def test_answers_without_an_etag_may_not_be_stored(api: Api, path: str, status: int):
    response = api.get(path)

    assert (response.status_code, response["Cache-Control"]) == (status, "private, no-store")
    assert not response.has_header("ETag")
