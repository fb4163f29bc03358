"""The fast form of a job is what its serializer describes; a view with another serializer uses that."""

from datetime import UTC
from typing import Any

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers

from jobs.api.serializers import JobSerializer, job_members
from jobs.api.views import JobViewSet
from jobs.http import to_bytes
from jobs.models import Job, Project
from jobs.services.search.api_pages import JobRow
from jobs.status import Status
from tests.support.api_client import Api
from tests.support.factories import make_job

INSTANTS = st.datetimes(timezones=st.just(UTC))
TEXTS = st.text(max_size=300)
ROWS = st.builds(
    JobRow,
    id=st.integers(1, 2**63 - 1),
    action=TEXTS,
    reference_id=TEXTS,
    description=TEXTS,
    status=st.sampled_from([*Status, *map(str, Status)]),
    errors=st.none() | TEXTS,
    created_at=INSTANTS,
    updated_at=st.none() | INSTANTS,
    start_at=INSTANTS,
)


@given(row=ROWS, project_id=st.integers(1, 2**63 - 1))
def test_the_members_are_those_of_the_serializer_in_its_order(row: JobRow, project_id: int):
    job = Job(**row._asdict())
    described = JobSerializer(job, context={"project": Project(pk=project_id)}).data

    for each in (row, job):
        shown = job_members(each, project_id=project_id)

        assert list(shown.items()) == list(described.items())
        assert to_bytes(shown) == to_bytes(described)


def test_a_row_has_the_columns_that_the_serializer_reads_in_the_models_order():
    read = {str(field.source) for field in JobSerializer().fields.values()} - {"*"}

    assert {"id" if name == "pk" else name for name in read} == set(JobRow._fields)
    names = [field.attname for field in Job._meta.concrete_fields]
    assert sorted(JobRow._fields, key=names.index) == list(JobRow._fields)


class WithAttempt(JobSerializer):
    attempt = serializers.IntegerField(read_only=True)


class ByClass(JobViewSet):
    serializer_class = WithAttempt


class ByMethod(JobViewSet):
    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        return WithAttempt(*args, **kwargs, context=self.get_serializer_context())


@pytest.mark.django_db
@pytest.mark.parametrize("view", [ByClass, ByMethod])
def test_a_serializer_of_the_hosts_shows_jobs_wherever_they_are_answered(api: Api, view: Any, rf: RequestFactory):
    job = make_job(project=api.project, attempt=3)
    actions = {"get": "list"}, {"get": "retrieve"}, {"delete": "destroy"}

    shown = []
    for action in actions:
        ((method, name),) = action.items()
        request = rf.generic(method.upper(), "/", headers={"Authorization": f"Bearer {api.secret}"})
        further = {} if name == "list" else {"job_id": str(job.pk)}
        shown.append(view.as_view(action)(request, project_key=api.project.key, **further).data["data"])

    assert [member["attempt"] for member in (shown[0][0], *shown[1:])] == [3, 3, 3]
    assert [list(member)[:10] for member in (shown[0][0], *shown[1:])] == [list(JobSerializer().fields)] * 3
    assert shown[0][0] == {**shown[1], "attempt": 3}
