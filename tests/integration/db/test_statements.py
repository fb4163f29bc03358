"""``Statement``: compiled once, with the values of each run in the place of its parameters, and of no others."""

import gc
import threading
import weakref
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.sql import UpdateQuery

from jobs.db.statements import Parameter, Statement
from jobs.models import ApiKey, Job
from jobs.status import Status
from tests.support.concurrency import InThread, statements
from tests.support.factories import make_job, make_key, make_project, make_running_job

pytestmark = pytest.mark.django_db


def of_project_and_status() -> QuerySet[Job]:
    # The constant -1 is the value of a parameter in one of the runs.
    return Job.objects.filter(Q(project=Parameter(Job, "project")) | Q(pk=-1)).order_by("pk")


def test_it_is_compiled_once_and_returns_what_the_queryset_would():
    written = []
    statement: Statement[Job] = Statement(lambda: written.append(1) or of_project_and_status())
    first, second = make_job(parameters={"a": [1]}), make_running_job()

    found = [statement.run(project=pk) for pk in (first.project_id, second.project_id, -1)]

    assert written == [1]
    assert found == [[first], [second], []]
    for (job,) in found[:2]:
        assert row_of(job) == row_of(Job.objects.get(pk=job.pk))
        assert not job.get_deferred_fields()


def row_of(job: Job) -> dict[str, Any]:
    return {field.attname: getattr(job, field.attname) for field in job._meta.concrete_fields}


def test_a_constant_that_equals_a_parameters_value_stays():
    statement: Statement[Job] = Statement(of_project_and_status)

    assert [value for value in statement.sql(project=7)[1] if value in (7, -1)] == [7, -1]
    assert [value for value in statement.sql(project=-1)[1] if value in (7, -1)] == [-1, -1]


def test_a_value_takes_the_form_that_its_column_has_in_the_database():
    job = make_running_job()
    statement: Statement[Job] = Statement(lambda: Job.objects.filter(lease_token=Parameter(Job, "lease_token")))

    assert isinstance(job.lease_token, UUID)
    assert statement.first(lease_token=job.lease_token) == job
    assert statement.first(lease_token=str(job.lease_token)) == job
    assert statement.first(lease_token=uuid4()) is None
    with pytest.raises(KeyError):
        statement.first(id=job.pk)


def test_related_objects_annotations_and_tuples_are_those_of_the_queryset():
    project = make_project()
    made = make_key(organization=project.organization, project=project, scopes=["read"])

    def of_prefix() -> QuerySet[ApiKey]:
        keys = ApiKey.objects.filter(prefix=Parameter(ApiKey, "prefix")).annotate(twice=F("pk") * 2)
        return keys.select_related("organization", "project__organization").defer("digest")

    keys: Statement[Any] = Statement(of_prefix)
    tuples: Statement[Any] = Statement(lambda: of_prefix().values_list("scopes", "created_at", "twice"))

    with statements() as sent:
        key = keys.first(prefix=made.key.prefix)
        related = key.organization, key.project, key.project.organization

    assert len(sent) == 1
    assert related == (project.organization, project, project.organization)
    assert (key, key.scopes, key.twice) == (made.key, ["read"], made.key.pk * 2)
    assert key.get_deferred_fields() == {"digest"}
    assert tuples.run(prefix=made.key.prefix) == [(["read"], made.key.created_at, made.key.pk * 2)]


def test_an_update_has_parameters_in_its_assignments_too():
    job, other = make_job(), make_job()

    def rename() -> UpdateQuery:
        query = Job.objects.filter(pk=Parameter(Job, "id")).query.chain(UpdateQuery)
        query.add_update_values({"description": Parameter(Job, "description"), "crashes": F("crashes") + 1})
        return query

    with connection.cursor() as cursor:
        cursor.execute(*Statement(rename).sql(id=job.pk, description="50% off"))

    job.refresh_from_db()
    other.refresh_from_db()
    assert (job.description, job.crashes) == ("50% off", 1)
    assert (other.description, other.crashes) == ("Touch a user", 0)


@pytest.mark.django_db(transaction=True)
def test_threads_share_it_and_it_keeps_no_connection_of_a_thread_that_has_ended():
    job = make_job(status=Status.FAILED)
    statement: Statement[Job] = Statement(of_project_and_status)
    connections = []

    def run() -> list[Job]:
        connections.append((threading.current_thread(), weakref.ref(connection._connections[connection._alias])))
        return statement.run(project=job.project_id)

    found = [InThread(run).result(), statement.run(project=job.project_id)]
    gc.collect()

    assert found == [[job], [job]]
    assert [connection_of() for _, connection_of in connections] == [None]
