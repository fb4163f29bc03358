import time
from unittest.mock import patch

import pytest
from django.test import override_settings

from jobs.exceptions import Busy
from jobs.models import Job
from jobs.services.commands import cancel
from jobs.status import Status
from tests.support.api_client import Api, assert_error
from tests.support.concurrency import blocked, other_connection, postgresql_only, somebody_holds, transaction_of, until
from tests.support.factories import make_job


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.RUNNING])
def test_a_job_that_waits_or_runs_is_cancelled_by_an_event_that_names_the_key_and_the_request(api: Api, status: Status):
    job = make_job(project=api.project, status=status)

    response = api.delete(f"/jobs/{job.pk}", headers={"X-Request-Id": "req-1"})

    job.refresh_from_db()
    data, event = response.json()["data"], job.events.get()
    assert (response.status_code, data["status"], job.status) == (200, "cancelled", "cancelled")
    assert data["updatedAt"] >= data["createdAt"]
    assert (event.actor, event.request_id) == (f"key:{api.secret[:12]}", "req-1")


@pytest.mark.parametrize("status", [status for status in Status if status.is_final])
def test_a_job_that_has_ended_is_refused_and_stays_as_it_is(api: Api, status: Status):
    job = make_job(project=api.project, status=status)
    before = Job.objects.filter(pk=job.pk).values().get()

    response = api.delete(f"/jobs/{job.pk}")

    assert_error(response, 400, "transition_refused", error=f"the requested job has already been {status}")
    assert Job.objects.filter(pk=job.pk).values().get() == before


@pytest.mark.django_db(transaction=True)
def test_a_row_that_stays_locked_makes_it_busy_and_changes_nothing(transactional_db: None, api: Api):
    job = make_job(project=api.project)
    lock = f"UPDATE jobs_job SET description = description WHERE id = {job.pk}"

    with other_connection() as other, transaction_of(other, lock), override_settings(JOBS={"CANCEL_WAIT_SECONDS": 0.2}):
        response = api.delete(f"/jobs/{job.pk}")

    job.refresh_from_db()
    assert_error(response, 503, "busy")
    assert response["Retry-After"]
    assert (job.status, job.events.count()) == (Status.SCHEDULED, 0)


def test_a_chunk_that_lasts_too_long_makes_it_busy(api: Api):
    with patch("jobs.api.views.cancel_job", side_effect=Busy(retry_after=2)):
        response = api.delete("/jobs/1")

    assert_error(response, 503, "busy")
    assert response["Retry-After"] == "2"


@pytest.mark.parametrize(
    ("query", "note"),
    [
        ("", ""),
        ("?reasons=x&note=y", ""),
        ("?reason=Asked+for%20by%20mistake.", "Asked for by mistake."),
        ("?reason=%C3%A9%F0%9F%98%80", "é😀"),
        ("?reason=1%2B1%3D2%261", "1+1=2&1"),
        ("?reason=first&reason=second", "first"),
        (f"?reason={'%C3%A9' * 500}", "é" * 500),
    ],
)
def test_a_reason_is_kept_with_the_event(api: Api, query: str, note: str):
    job = make_job(project=api.project)

    assert api.delete(f"/jobs/{job.pk}{query}").status_code == 200
    assert job.events.get().note == note


@pytest.mark.parametrize(
    ("reason", "problem"),
    [
        *((reason, "must not be blank") for reason in ("", "%20%09", "%E2%80%83", "&reason=second")),
        *((f"a{byte}b", "must not contain control characters or lone surrogates") for byte in ("%00", "%0A", "%C2%85")),
        ("x" * 501, "must be at most 500 characters"),
    ],
)
def test_a_reason_that_cannot_be_kept_cancels_nothing_and_is_checked_after_the_id(api: Api, reason: str, problem: str):
    job = make_job(project=api.project)

    response, of_no_job = api.delete(f"/jobs/{job.pk}?reason={reason}"), api.delete(f"/jobs/abc?reason={reason}")

    job.refresh_from_db()
    assert_error(response, 400, "invalid_field", error=f"reason: {problem}")
    assert (job.status, job.events.count()) == (Status.SCHEDULED, 0)
    assert of_no_job.json()["error"] == "jobId: must be an integer"


@postgresql_only
@pytest.mark.django_db(transaction=True)
def test_two_cancels_of_a_job_wait_and_the_next_is_busy_at_once(api: Api):
    job, other = make_job(project=api.project), make_job(project=api.project)

    with override_settings(JOBS={"CANCEL_WAIT_SECONDS": 20}):
        with somebody_holds(job):
            waiting = [blocked(lambda: api.delete(f"/jobs/{job.pk}")) for _ in range(2)]
            until(lambda: cancel.CANCELS.running[api.project.pk, job.pk] == 2, what="two cancels of the job")
            begun = time.monotonic()
            third, of_another = api.delete(f"/jobs/{job.pk}"), api.delete(f"/jobs/{other.pk}")
            seconds = time.monotonic() - begun
        answers = sorted(thread.result().status_code for thread in waiting)

    assert_error(third, 503, "busy")
    assert (third["Retry-After"], of_another.status_code, answers) == ("1", 200, [200, 400])
    assert seconds < 15
    assert not cancel.CANCELS.running
