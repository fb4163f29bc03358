"""The list is made of the framework's parts, which a subclass of the view replaces as those of any other view."""

from typing import Any

import pytest
from django.test import RequestFactory
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.pagination import PageNumberPagination

from jobs.api.filters import CheckedFilter, JobFilters
from jobs.api.pagination import JobPages
from jobs.api.views import JobViewSet
from jobs.services.search.api_query import ListQuery
from tests.support.api_client import Api
from tests.support.factories import make_job

pytestmark = pytest.mark.django_db


class ShortPages(JobPages):
    page_size = 2
    max_page_size = 3
    page_size_query_param = "size"


class ByUser(JobFilters):
    user = CheckedFilter(field_name="reference_id", read=str)


class HostsList(JobViewSet):
    filterset_class = ByUser
    pagination_class = ShortPages

    def get_queryset(self) -> ListQuery:
        return ListQuery(action="touch")


def listed(api: Api, rf: RequestFactory, query: str) -> Any:
    view = HostsList.as_view({"get": "list"})
    request = rf.get(f"/?{query}", headers={"Authorization": f"Bearer {api.secret}"})
    return view(request, project_key=api.project.key)


def test_the_parts_are_those_that_who_knows_the_framework_expects():
    (backend,) = JobViewSet.filter_backends

    assert issubclass(backend, DjangoFilterBackend)
    assert issubclass(JobViewSet.pagination_class, PageNumberPagination)
    assert JobViewSet.filterset_class is JobFilters


def test_a_subclass_has_its_own_filters_pages_and_base_of_the_list(api: Api, rf: RequestFactory):
    jobs = [make_job(project=api.project, reference_id="a") for _ in range(5)]
    make_job(project=api.project, reference_id="a", action="erase")
    make_job(project=api.project, reference_id="b")
    make_job(reference_id="a")
    ids = [job.pk for job in reversed(jobs)]

    pages = [listed(api, rf, query) for query in ("user=a", "user=a&page=3", "user=a&size=3", "user=a&size=4")]

    assert [[job["jobId"] for job in page.data["data"]] for page in pages] == [ids[:2], ids[4:], ids[:3], ids[:2]]
    assert pages[0].headers["Link"] == '<jobs?user=a&page=1>; rel="first", <jobs?user=a&page=2>; rel="next"'


@pytest.mark.parametrize("query", ["user=", "user=a&user=b", "USER=a"])
def test_a_subclass_s_filter_is_read_as_strictly_as_ours(api: Api, rf: RequestFactory, query: str):
    assert listed(api, rf, query).status_code == 400
