"""``get_job`` and ``list_jobs``: one project's jobs, and what reading them costs."""

from collections.abc import Callable
from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import connection
from django.utils.functional import SimpleLazyObject

from jobs import cancel_job, get_job, get_project_model, list_jobs
from jobs.db import clock
from jobs.exceptions import JobNotFound
from jobs.models import Organization
from jobs.services.search.jobs import get_job_and_time
from jobs.status import Status
from tests.support.concurrency import statements
from tests.support.execution import make_due_jobs
from tests.support.factories import make_job, make_project

pytestmark = pytest.mark.django_db

IMPOSSIBLE = [0, -1, 2**63, 10**30, -(10**30)]


@pytest.mark.parametrize("status", Status)
def test_a_job_is_found_in_its_project_whatever_its_status(status: Status):
    job = make_job(status=status)

    assert get_job(job.pk, project=job.project) == job


@pytest.mark.parametrize("read", [get_job, get_job_and_time])
def test_another_project_s_job_is_not_found(read: Callable[..., Any]):
    job = make_job()

    with pytest.raises(JobNotFound, match="^job not found$"):
        read(job.pk, project=make_project(organization=job.project.organization))


@pytest.mark.parametrize("command", [get_job, get_job_and_time, cancel_job])
def test_what_is_no_saved_project_is_refused_also_if_its_key_is_a_projects(command: Callable[..., Any]):
    job = make_job()

    for wrong in (Organization(pk=job.project.pk, name="wrong"), type(job.project)(pk=None), None):
        with pytest.raises(ValueError, match="is no saved"):
            command(job.pk, project=wrong)

    job.refresh_from_db()
    assert job.status == "scheduled"


@pytest.mark.parametrize("read", [get_job, cancel_job])
def test_a_project_may_be_lazy_or_an_instance_of_a_proxy(read: Callable[..., Any]):
    class Proxy(get_project_model()):
        class Meta:
            app_label = "jobs"
            proxy = True
            apps = Apps()

    for found in (
        lambda pk: SimpleLazyObject(lambda: get_project_model()._base_manager.get(pk=pk)),
        lambda pk: Proxy(pk=pk),
    ):
        job = make_job()

        assert read(job.pk, project=found(job.project_id)) == job


@pytest.mark.parametrize("job_id", [*IMPOSSIBLE, 2**63 - 1])
def test_an_id_that_no_job_has_is_not_found(job_id: int):
    with pytest.raises(JobNotFound) as unknown:
        get_job(job_id, project=make_project())

    assert unknown.value.job_id == job_id


def test_getting_a_job_takes_one_statement_also_with_the_database_s_time_and_an_impossible_one_none():
    job = make_job()
    project = job.project
    before = clock.read(connection)

    with statements() as sent:
        get_job(job.pk, project=project)
    with statements() as sent_with_time:
        found, looked_at = get_job_and_time(job.pk, project=project)
    with statements() as sent_for_impossible, pytest.raises(JobNotFound):
        get_job(0, project=project)

    assert (len(sent), len(sent_with_time), len(sent_for_impossible)) == (1, 1, 0)
    assert found == job
    assert before <= looked_at <= clock.read(connection)


def test_the_list_is_the_project_s_own_newest_first():
    project = make_project()
    jobs = [make_job(project=project, status=status) for status in Status]
    make_job(project=make_project(organization=project.organization))

    assert list(list_jobs(project=project)) == jobs[::-1]


@pytest.mark.parametrize("count", [1, 30])
def test_a_list_takes_one_statement_however_long_it_is_and_none_until_it_is_read(count: int):
    project = make_due_jobs(count)[0].project

    with statements() as before:
        jobs = list_jobs(project=project).filter(status=Status.SCHEDULED)[:50]
    with statements() as sent:
        read = [(job.pk, job.description, job.project_id) for job in jobs]

    assert before == []
    assert len(read) == count
    assert len(sent) == 1
    assert "COUNT" not in sent[0].upper()
