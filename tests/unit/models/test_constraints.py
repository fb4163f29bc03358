"""The constraints of the table of jobs, whoever writes to it."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from jobs.models import Job
from jobs.status import ACTIVE, Status
from tests.support.factories import LONG_AGO, make_job, make_project
from tests.support.transitions import row_of

pytestmark = pytest.mark.django_db

FINAL = [status for status in Status if status.is_final]


def refuses(job: Job, constraint: str, **columns: Any) -> None:
    """Assert that ``constraint`` keeps ``columns`` from being written to the row."""
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(**columns)
        connection.check_constraints()


@pytest.mark.parametrize("status", ["", "paused", "RUNNING", "retrying"])
def test_a_status_is_one_of_five(status: str):
    # PostgreSQL names the first of those that it breaks.
    refuses(make_job(status=Status.CANCELLED), "jobs_job_(status_known|finished_when_final)", status=status)


@pytest.mark.parametrize(
    ("status", "columns"),
    [*((each, {}) for each in Status), *((each, {"worker": name}) for each in FINAL for name in ("host:1:aaaa", None))],
)
def test_a_row_may_stand_in_each_of_the_five_and_end_without_a_worker(status: Status, columns: dict[str, Any]):
    job = make_job(status=status, **columns)

    connection.check_constraints()
    assert row_of(job) == {**row_of(job), "status": status, **columns}


TOKEN = {"lease_token": uuid4()}
EXPIRY = {"lease_expires_at": LONG_AGO}


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("lease", [TOKEN, EXPIRY, TOKEN | EXPIRY], ids=["token", "expiry", "both"])
def test_a_running_job_has_a_whole_lease_and_no_other_has_any_of_it(status: Status, lease: dict[str, Any]):
    without = dict.fromkeys(lease)
    refuses(make_job(status=status), "jobs_job_lease_while_running", **(without if status is Status.RUNNING else lease))


@pytest.mark.parametrize(("status", "worker"), [(Status.SCHEDULED, "host:1:aaaa"), (Status.RUNNING, None)])
def test_a_running_job_has_a_worker_and_a_scheduled_one_none(status: Status, worker: str | None):
    refuses(make_job(status=status), "jobs_job_worker_while_running", worker=worker)


@pytest.mark.parametrize("status", Status)
def test_a_job_has_an_end_exactly_if_it_has_ended(status: Status):
    refuses(make_job(status=status), "jobs_job_finished_when_final", finished_at=None if status.is_final else LONG_AGO)


def unique(status: Status, **columns: Any) -> Job:
    return make_job(status=status, **{"action": "touch_once", "unique_key": "mehdi@example.com", **columns})


@pytest.mark.parametrize("first", ACTIVE)
@pytest.mark.parametrize("second", ACTIVE)
def test_a_second_active_job_with_the_same_key_is_refused(first: Status, second: Status):
    project = make_project()
    unique(first, project=project)

    with pytest.raises(IntegrityError), transaction.atomic():
        unique(second, project=project)


@pytest.mark.parametrize("status", FINAL)
def test_ended_jobs_do_not_stand_in_the_way(status: Status):
    project = make_project()
    unique(status, project=project)
    unique(status, project=project)

    unique(Status.SCHEDULED, project=project)

    assert Job.objects.in_project(project).count() == 3


def test_an_ended_job_cannot_become_active_beside_another():
    project = make_project()
    ended = unique(Status.CANCELLED, project=project)
    unique(Status.SCHEDULED, project=project)

    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.filter(pk=ended.pk).update(status="scheduled", finished_at=None, worker=None)


@pytest.mark.parametrize(
    "difference",
    [{"unique_key": "Mehdi@example.com"}, {"unique_key": "mehdi@example.com "}, {"action": "touch"}, {"project": None}],
    ids=["letter case", "a blank", "action", "project"],
)
def test_another_key_action_or_project_does_not_collide(difference: dict[str, Any]):
    project = make_project()
    unique(Status.SCHEDULED, project=project)

    if "project" in difference:
        difference = {"project": make_project()}
    unique(Status.SCHEDULED, **{"project": project, **difference})

    assert Job.objects.count() == 2


@pytest.mark.parametrize("status", ACTIVE)
def test_jobs_without_a_key_do_not_collide(status: Status):
    project = make_project()

    for _ in range(3):
        unique(status, project=project, unique_key=None)

    assert Job.objects.in_project(project).active().count() == 3


@pytest.mark.parametrize("column", ["attempt", "crashes", "failures", "progress_done", "progress_total"])
def test_counters_are_never_below_zero(column: str):
    refuses(make_job(), f"(?i)check constraint.*{column}", **{column: -1})


@pytest.mark.parametrize("column", ["project_id", "description", "created_at", "start_at", "due_at", "receipt"])
def test_what_every_job_has_is_never_null(column: str):
    job = make_job()

    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(**{column: None})
