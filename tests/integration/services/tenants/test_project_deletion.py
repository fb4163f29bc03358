"""A deleted project takes its jobs with it, whatever the workers do meanwhile; counted with raw SQL."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.deletion import Collector

from jobs import JobContext, JobFailed, get_project_model, schedule_job
from jobs.exceptions import LeaseLost, ProjectNotFound
from jobs.execution.leases import Leases
from jobs.lifecycle import transitions
from jobs.models import Job, JobBlock, JobEvent
from jobs.processes.releases import ReleaseQueue
from jobs.processes.rescuer import Rescuer
from jobs.services.commands.pauses import pause_jobs
from jobs.status import Status
from tests.support.concurrency import InThread, blocked, one_value, postgresql_only
from tests.support.execution import ago, make_context, run_attempt, write_in_chunk
from tests.support.factories import WORKER, fence_of, make_job, make_key, make_project, make_running_job

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = ("jobs_job", "jobs_jobevent", "jobs_apikey", "jobs_pause", "jobs_jobblock")


def counts() -> dict[str, int]:
    return {table: one_value(f"SELECT count(*) FROM {table}") for table in TABLES}


def make_full_project() -> Any:
    """Make a project that rows of every table refer to."""
    project = make_project()
    failed = make_job(project=project, status=Status.FAILED)
    for job in (failed, make_job(project=project, retry_of=failed), make_running_job(project=project)):
        JobEvent.objects.create(job=job, at=job.created_at, what="scheduled", to_status=job.status, attempt=0)
    make_key(organization=project.organization, project=project)
    pause_jobs(reason="Moving", project=project)
    JobBlock.objects.create(project=project, block=0, jobs=3)
    return project


def delete(project: Any) -> None:
    get_project_model()._default_manager.get(pk=project.pk).delete()


def test_all_that_refers_to_a_deleted_project_is_deleted_and_nothing_else():
    project, other = make_full_project(), make_full_project()
    before = counts()

    delete(project)

    assert {table: 2 * number for table, number in counts().items()} == before
    assert {job.project_id for job in Job.objects.all()} == {other.pk}


def test_one_line_says_what_went_with_a_project_once_that_is_committed(caplog: pytest.LogCaptureFixture):
    project = make_full_project()
    caplog.set_level(logging.INFO, "jobs")

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        delete(project)
        raise ZeroDivisionError
    rolled_back = caplog.messages.copy()
    get_project_model()._default_manager.filter(pk=project.pk).delete()

    assert rolled_back == []
    assert caplog.messages == [f"project={project.key} was deleted with 3 jobs, of which 2 waited or ran, and 3 events"]


def test_a_project_without_jobs_is_deleted_without_a_line(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "jobs")

    delete(make_project())

    assert caplog.messages == []


def test_a_job_that_is_added_while_its_project_is_being_deleted_does_not_make_that_fail(
    monkeypatch: pytest.MonkeyPatch,
):
    project = make_full_project()
    running = Job.objects.get(status=Status.RUNNING)
    really_delete = Collector.delete

    def add_first(collector: Collector) -> Any:
        InThread(lambda: schedule_job("touch", project=project, reference_id="late")).result()
        InThread(lambda: transitions.release(fence_of(running), worker=WORKER, note="Late")).result()
        return really_delete(collector)

    monkeypatch.setattr(Collector, "delete", add_first)
    delete(project)

    assert set(counts().values()) == {0}


@postgresql_only
def test_a_deletion_waits_for_an_open_chunk_and_no_later_chunk_commits():
    job = make_running_job()
    context = make_context(job)

    with context.chunk() as chunk:
        chunk.add("lines", 1)
        deletion = blocked(lambda: delete(job.project))
    deletion.result()

    with pytest.raises(LeaseLost):
        write_in_chunk(context)
    assert one_value("SELECT count(*) FROM jobs_job") == one_value("SELECT count(*) FROM hostapp_ledger") == 0


def test_a_job_whose_project_is_deleted_before_it_is_stored_is_refused_as_of_no_project():
    project = make_project()
    delete(project)

    with pytest.raises(ProjectNotFound):
        schedule_job("touch", project=project, reference_id="late")


def return_at_once(context: JobContext) -> None:
    """Do nothing."""


def fail(context: JobContext) -> None:
    raise JobFailed("No.")


def raise_an_error(context: JobContext) -> None:
    raise ValueError


def look_at_the_project(context: JobContext) -> None:
    assert context.project.name


@pytest.mark.parametrize("end", [return_at_once, fail, raise_an_error, look_at_the_project, write_in_chunk])
def test_an_attempt_whose_project_is_deleted_unwinds_as_after_a_lost_lease(
    end: Callable[[JobContext], None], caplog: pytest.LogCaptureFixture
):
    job = make_running_job(action="trial")
    job = Job.objects.get(pk=job.pk)  # as a claim returns it, without its project

    def lose_project(context: JobContext) -> None:
        InThread(lambda: delete(get_project_model()._default_manager.get(pk=job.project_id))).result()
        end(context)

    with pytest.raises(Job.DoesNotExist):  # raised by the helper, which reads the row at last
        run_attempt(lose_project, job)

    assert f"job={job.pk} action=trial attempt=1 is no longer this worker's" in caplog.messages
    assert (end is raise_an_error) == any(record.levelname == "ERROR" for record in caplog.records)
    assert one_value("SELECT count(*) FROM hostapp_ledger") == 0


def test_releases_renewals_and_rescues_pass_over_a_job_whose_row_went():
    released, expired = make_running_job(), make_running_job(lease_expires_at=ago(5))
    leases, rescuer = Leases(), Rescuer()
    queue = ReleaseQueue(leases, worker=WORKER)
    queue.add([leases.add(fence_of(released))], "The worker was busy.")
    rescuer.rescue(monotonic=0.0)
    for job in (released, expired):
        delete(job.project)

    leases.renew()
    queue.release_all()
    rescued = rescuer.rescue(monotonic=100.0)

    assert (rescued, len(queue), len(leases)) == ([], 0, 0)
    assert set(counts().values()) == {0}


def test_the_database_refuses_to_delete_a_project_with_jobs_behind_djangos_back():
    project = make_full_project()
    table = get_project_model()._meta.db_table

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE key = %s", [project.key])

    assert counts()["jobs_job"] == 3
