"""The list is made of the framework's parts, which a subclass of the view replaces as those of any other view."""

from datetime import timedelta
from typing import Any, Final

import pytest
from django.test import RequestFactory
from django_filters import MultipleChoiceFilter
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.pagination import PageNumberPagination

from jobs.api.filters import CheckedFilter, JobFilters
from jobs.api.pagination import JobPages
from jobs.api.views import JobViewSet
from jobs.services.search.api_query import ListOrder, ListQuery
from jobs.status import Status
from tests.support.api_client import Api
from tests.support.factories import LONG_AGO, make_job

pytestmark = pytest.mark.django_db

WAITING_OR_FAILED: Final = frozenset({Status.SCHEDULED, Status.FAILED})


class ShortPages(JobPages):
    page_size = 2
    max_page_size = 3
    page_size_query_param = "size"

    page_query_param = "number"
    cursor_query_param = "after"


class ByUser(JobFilters):
    user = CheckedFilter(field_name="reference_id", read=str)
    state = MultipleChoiceFilter(field_name="statuses", choices=[(each.value, each.value) for each in Status])


class HostsList(JobViewSet):
    filterset_class = ByUser
    pagination_class = ShortPages

    def get_queryset(self) -> ListQuery:
        return ListQuery(action="touch", statuses=WAITING_OR_FAILED, order=ListOrder(descending=False))


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
    ids = [job.pk for job in jobs]

    pages = [listed(api, rf, query) for query in ("user=a", "user=a&number=3", "user=a&size=3", "user=a&size=4")]
    by_cursor = listed(api, rf, "user=a&after=").headers["Link"]

    assert [[job["jobId"] for job in page.data["data"]] for page in pages] == [ids[:2], ids[4:], ids[:3], ids[:2]]
    assert pages[0].headers["Link"] == '<jobs?user=a&number=1>; rel="first", <jobs?user=a&number=2>; rel="next"'
    assert by_cursor.startswith('<jobs?user=a&after=>; rel="first", <jobs?user=a&after=')


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["touch scheduled", "touch failed"]),
        ("action=erase", []),
        ("action=touch&status=failed&status=completed", ["touch failed"]),
        ("status=completed", []),
        ("state=failed&state=completed", ["touch failed"]),
        ("sort=-jobId", ["touch failed", "touch scheduled"]),
    ],
)
def test_filters_narrow_the_base_of_the_list_and_never_replace_it(
    api: Api, rf: RequestFactory, query: str, found: list[str]
):
    for action in ("touch", "erase"):
        for status in (Status.SCHEDULED, Status.FAILED, Status.COMPLETED):
            make_job(project=api.project, action=action, status=status)

    jobs = listed(api, rf, query).data["data"]

    assert [f"{job['action']} {job['status']}" for job in jobs] == found


def test_of_two_bounds_of_a_time_the_narrower_one_holds():
    early, late = LONG_AGO, LONG_AGO + timedelta(days=1)

    narrowed = ListQuery(created_from=early, created_to=late).narrowed(created_from=late, created_to=early)
    other_way_round = ListQuery(created_from=late, created_to=early).narrowed(created_from=early, created_to=late)

    assert narrowed == other_way_round == ListQuery(created_from=late, created_to=early)


@pytest.mark.parametrize("query", ["user=", "user=a&user=b", "USER=a", "Number=2", "state=lost"])
def test_a_subclass_s_filter_is_read_as_strictly_as_ours(api: Api, rf: RequestFactory, query: str):
    assert listed(api, rf, query).status_code == 400
