"""An erase that would delete the project of its own job, and the job with it, is refused, and nothing is erased."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, models

from jobs import JobContext, get_project_model
from jobs.execution import own_project
from jobs.execution.own_project import DELETES_ITSELF
from jobs.execution.runner import Outcome
from jobs.models import Job, Organization
from jobs.status import Status
from tests.support.concurrency import one_value
from tests.support.execution import run_attempt
from tests.support.factories import make_job, make_organization, make_project, make_running_job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owned(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A running job in a project that goes with its owner; other projects of that owner come before it."""
    field = get_project_model()._meta.get_field("organization")
    monkeypatch.setattr(field.remote_field, "on_delete", models.CASCADE)
    own_project._paths_to.cache_clear()
    first = make_project()
    make_job(project=first, status=Status.COMPLETED)
    yield make_running_job(action="trial", project=make_project(organization=make_organization()))
    own_project._paths_to.cache_clear()


def erase(model: Any, **conditions: Any) -> Callable[[JobContext], None]:
    def erase_rows(context: JobContext) -> None:
        context._batch.rows = 1
        context.erase("rows", model._default_manager.filter(**conditions))

    return erase_rows


def counts() -> list[int]:
    table = get_project_model()._meta.db_table
    return [one_value(f"SELECT count(*) FROM {name}") for name in ("jobs_organization", table, "jobs_job")]


@pytest.mark.parametrize("model", ["owner", "project", "job"])
def test_an_erase_whose_cascade_reaches_its_own_job_fails_at_once_and_erases_nothing(owned: Job, model: str):
    before = counts()
    models_by_name = {"owner": Organization, "project": get_project_model(), "job": Job}

    ran, job = run_attempt(erase(models_by_name[model]), owned)

    assert ran.outcome is Outcome.FAILED
    assert (job.status, job.errors, job.receipt) == (Status.FAILED, DELETES_ITSELF, {})
    assert counts() == before


def test_the_same_erase_in_another_project_deletes_owner_project_and_jobs(owned: Job):
    job = make_running_job(action="trial")

    ran, job = run_attempt(erase(Organization, pk=owned.project.organization_id), job)

    assert ran.outcome is Outcome.COMPLETED
    assert one_value("SELECT count(*) FROM jobs_job WHERE id = %s", owned.pk) == 0
    assert counts() == [2, 2, 2]


def delete_by_orm(context: JobContext) -> None:
    context.project.delete()


def delete_by_sql(context: JobContext) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM jobs_jobevent")
        cursor.execute("DELETE FROM jobs_job WHERE id = %s", [context.id])


@pytest.mark.parametrize("delete", [delete_by_orm, delete_by_sql])
def test_a_chunk_that_deletes_its_own_job_is_rolled_back_and_the_job_fails_with_the_cure(
    owned: Job, delete: Callable[[JobContext], None]
):
    before = counts()

    def delete_in_chunk(context: JobContext) -> None:
        with context.chunk():
            delete(context)

    ran, job = run_attempt(delete_in_chunk, owned)

    assert ran.outcome is Outcome.FAILED
    assert (job.status, job.errors) == (Status.FAILED, DELETES_ITSELF)
    assert counts() == before
