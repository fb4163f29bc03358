from urllib.parse import quote

import pytest
from django.test import override_settings

from jobs.models import Job
from jobs.status import Status
from tests.support.api_client import Api, assert_error
from tests.support.factories import make_job

DAY = 24 * 3600 * 1000


def test_the_answer_is_the_new_job(api: Api):
    response = api.delete("/users/shekar%40example.com")

    data = response.json()["data"]
    assert response.status_code == 200
    assert data["description"] == "Delete user sessions of userId = shekar@example.com"
    assert (data["action"], data["referenceId"]) == ("delete_user_data", "shekar@example.com")
    assert (data["status"], data["updatedAt"], data["errors"]) == ("scheduled", None, None)
    assert data["startAt"] % DAY == 0  # the next midnight UTC
    assert 0 < data["startAt"] - data["createdAt"] <= DAY


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.RUNNING])
def test_an_active_job_for_the_user_is_named(api: Api, status: Status):
    same = {"action": "delete_user_data", "reference_id": "shekar", "unique_key": "shekar"}
    make_job(project=api.project, status=status, **same)

    response = api.delete("/users/shekar")

    (job,) = api.get("/jobs").json()["data"]
    assert_error(response, 409, "active_job_exists", details={"job": job})


MEANT = {
    "a%2Fb": "a/b", "a/b": "a/b", "a/b/c": "a/b/c", "a+b@x.y": "a+b@x.y", "a%2Bb": "a+b", "a%20b": "a b",
    "%20a%20": " a ", "a%2520b": "a%20b", "100%25": "100%", "%C3%A9": "é", "e%CC%81": "e\u0301", "a%3Fb": "a?b",
    "a%23b": "a#b", "..a": "..a", "a..": "a..", "...": "...", "a.": "a.", "jobs": "jobs", "users/a": "users/a",
    "'%22%3Cscript%3E": "'\"<script>", ";a=1": ";a=1", "5": "5", "A": "A", "%F0%9F%92%A9": "💩",
    "a%E2%80%A8b": "a\u2028b", "x" * 256: "x" * 256,
}  # fmt: skip


@pytest.mark.parametrize(("path", "user_id"), MEANT.items())
def test_the_user_in_the_path_is_taken_exactly(api: Api, path: str, user_id: str):
    response = api.delete(f"/users/{path}")

    assert response.status_code == 200
    assert response.json()["data"]["referenceId"] == user_id == Job.objects.get().reference_id


REFUSED = [
    *" / // a/ /a %2Fa a%2F a//b a%2F%2Fb . .. %2e%2e".split(" "),  # a proxy would normalize them
    *"a/./b a/../b ../jobs a/.. ./a a%2F..%2Fb".split(),
    *"%00 a%00b a%0A %0D%0A a%7F %C2%85 %20 %E3%80%80 %09".split(),
    # Bytes that are no UTF-8. The test client, like some servers, shows no raw path; then an id is refused, too, that
    # only looks like such bytes.
    *"%FF a%FFb %C3 %E9 %ED%A0%80 %C0%AF %25FF %EF%BF%BD".split(),
    *("x" * 257, quote("é" * 129)),
]


@pytest.mark.parametrize("path", REFUSED)
def test_an_ambiguous_malformed_or_too_long_user_is_refused(api: Api, path: str):
    response = api.delete(f"/users/{path}")

    assert_error(response, 400, "invalid_field")
    assert response.json()["error"].startswith("userId: must ")
    assert not Job.objects.exists()


@pytest.mark.parametrize("variable", ["RAW_URI", "REQUEST_URI"])
def test_the_raw_path_distinguishes_escapes_from_broken_bytes(api: Api, variable: str):
    path = f"/public/{api.project.key}/users/"

    literal = api.delete("/users/%25FF", **{variable: f"{path}%25FF?x"})
    broken = api.delete("/users/%25FE", **{variable: f"{path}%FE"})

    assert literal.json()["data"]["referenceId"] == "%FF"
    assert broken.status_code == 400


@pytest.mark.parametrize("raw", ["/users/a%2F%2Fb", "/users/a#b", "/users/%61%FF", "/users/b", ""])
def test_an_id_that_the_server_has_changed_is_refused(api: Api, raw: str):
    assert api.delete("/users/a", RAW_URI=f"/public/{api.project.key}{raw}").status_code == 400


@pytest.mark.parametrize("action", ["not_there", "touch"])
def test_without_a_public_action_the_route_is_not_found_before_the_key_is_checked(api: Api, action: str):
    api.secret = "not even a key"

    with override_settings(JOBS={"USER_ERASE_ACTION": action}):
        response = api.delete("/users/shekar")

    assert_error(response, 404, "not_found")


def test_the_host_chooses_the_action(api: Api):
    with override_settings(JOBS={"USER_ERASE_ACTION": "touch_publicly_once"}):
        data = api.delete("/users/shekar").json()["data"]

    assert data["action"] == "touch_publicly_once"
