"""Bulk changes of the ticked jobs: confirmed on a page, made one by one, and reported job by job."""

import re
from typing import Any, Final

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from jobs.admin.jobs import bulk
from jobs.models import Job, JobEvent
from jobs.status import Status
from tests.support.admin_client import messages_of, text_of, url, with_permissions
from tests.support.admin_selection import MAY_CHANGE, PERMISSIONS, changeable, choose, confirm, is_changed
from tests.support.factories import make_job, make_project, make_running_job

STAFF_MAY: Final = MAY_CHANGE


def cancel(client: Client, *jobs: Any, query: str = "") -> Any:
    """Tick jobs, choose to cancel them, and confirm that, if asked."""
    page = choose(client, "cancel", *jobs, query=query)
    return confirm(client, page) if page.status_code == 200 else page


def statuses(*jobs: Job) -> list[str]:
    return [Job.objects.get(pk=job.pk).status for job in jobs]


@pytest.mark.parametrize("change", PERMISSIONS)
def test_ticked_jobs_are_changed_after_the_confirmation(client: Client, user: Any, change: str):
    chosen, other = [changeable(change), changeable(change)], changeable(change)

    page = choose(client, change, *chosen)
    asked_only = [is_changed(change, job) for job in chosen]
    response = confirm(client, page, reason="the region is down")

    assert asked_only == [False, False]
    assert [is_changed(change, job) for job in (*chosen, other)] == [True, True, False]
    assert response.url.startswith(url("job_changelist"))
    events = JobEvent.objects.filter(note="the region is down")
    assert {(event.actor, event.request_id) for event in events} == {(f"staff:{user.pk}", "r-1")}
    assert LogEntry.objects.count() == 2


def test_the_page_shows_which_jobs_how_many_and_masks_references_without_their_permission(client: Client):
    jobs = [make_job(reference_id=f"<script>alert({number})</script>") for number in range(12)]

    html = text_of(choose(client, "cancel", *jobs))
    masked = text_of(choose(with_permissions("view_job", "cancel_job"), "cancel", *jobs))

    assert "<dd>12</dd>" in html
    assert len(re.findall(r'<th scope="row"><a href', html)) == 10
    assert "<script>alert" not in html
    assert '<bdi class="jobs-text">&lt;script&gt;' in html
    assert "&lt;•••••" in masked
    assert "alert(" not in masked


def test_list_filters_survive_the_confirmation(client: Client):
    page = choose(client, "cancel", make_job(), query="?status=scheduled&p=1")

    assert f"{url('job_changelist')}?status=scheduled" in text_of(page)
    assert confirm(client, page).url == f"{url('job_changelist')}?status=scheduled&p=1"


def test_an_invalid_reason_shows_the_page_again(client: Client):
    job = make_job()

    response = confirm(client, choose(client, "cancel", job), reason="x" * 501)

    assert response.status_code == 200
    assert "at most 500 characters" in text_of(response)
    assert not is_changed("cancel", job)


def test_ticked_jobs_are_cancelled_in_all_projects_and_no_other_job(client: Client):
    chosen = [make_job(project=make_project()), make_running_job(project=make_project())]
    other = make_job()

    response = cancel(client, *chosen)

    assert statuses(*chosen, other) == ["cancelled", "cancelled", "scheduled"]
    assert messages_of(response) == [f"Cancelled 2 jobs: {chosen[0].pk}, {chosen[1].pk}."]
    assert sorted(LogEntry.objects.values_list("object_id", flat=True)) == sorted(str(job.pk) for job in chosen)


def test_each_problem_is_reported_with_its_jobs(client: Client):
    done, failed, waiting = make_job(status=Status.COMPLETED), make_job(status=Status.FAILED), make_job()
    also_done = make_job(status=Status.COMPLETED)
    deleted = also_done.pk + 1

    response = cancel(client, done, failed, deleted, waiting, also_done)

    assert messages_of(response) == [
        f"Cancelled job {waiting.pk}.",
        f"2 jobs were not cancelled ({done.pk}, {also_done.pk}): it was completed meanwhile.",
        f"Job {failed.pk} was not cancelled: it failed meanwhile.",
        f"Job {deleted} was not cancelled: there is no such job.",
    ]


def test_a_ticked_job_that_no_longer_matches_the_filter_is_cancelled(client: Client):
    started_meanwhile = make_running_job()

    cancel(client, started_meanwhile, query="?status=scheduled")

    assert statuses(started_meanwhile) == ["cancelled"]


@pytest.mark.parametrize("job_id", ["abc", "-1", "1.5", "9223372036854775808", "1" * 50])
def test_ids_that_no_row_can_have_are_refused(client: Client, job_id: str):
    job = make_job()

    response = cancel(client, job, job_id)

    assert statuses(job) == ["scheduled"]
    assert messages_of(response) == ["Nothing was changed: there are no such rows."]


def test_after_its_time_is_up_the_page_reports_jobs_not_tried(client: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk, "BULK_SECONDS", -1)
    job = make_job()

    response = cancel(client, job)

    assert statuses(job) == ["scheduled"]
    assert "not tried, as the other jobs took too long" in messages_of(response)[0]
