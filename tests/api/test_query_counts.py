"""How many statements a request costs, with authentication."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.api.client import Api
from tests.factories import make_job

pytestmark = pytest.mark.django_db(transaction=True)

NOT_COUNTED = ("BEGIN", "COMMIT")


def statements_of(call: Callable[[], object]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        call()
    statements = [query["sql"] for query in captured if not query["sql"].startswith(NOT_COUNTED)]
    assert not any("COUNT(*)" in sql.upper() for sql in statements if "WITH MOVED" not in sql.upper())
    return statements


@pytest.fixture
def warm(transactional_db: None, api: Api) -> Api:
    """An integrator whose key was used within the minute, on a connection that was used before."""
    api.delete(f"/jobs/{make_job(project=api.project).pk}")
    return api


def make_many(api: Api) -> None:
    for _ in range(120):
        make_job(project=api.project)


@pytest.mark.parametrize(
    "path",
    [
        *("/jobs", "/jobs?limit=200", "/jobs?page=2", "/jobs?cursor=", "/jobs?sort=-startAt&status=scheduled"),
        "/jobs?status=scheduled&status=failed&action=touch&createdFrom=0&startTo=9999999999999&cursor=&sort=startAt",
    ],
)
def test_a_list_costs_two_however_long_it_is(warm: Api, path: str):
    few = statements_of(lambda: warm.get(path))
    make_many(warm)
    many = statements_of(lambda: warm.get(path))

    assert len(many) == len(few) == 2
    assert not any("COUNT(" in sql.upper() for sql in many)


def test_a_job_costs_two_however_many_there_are(warm: Api):
    job = make_job(project=warm.project)
    few = statements_of(lambda: warm.get(f"/jobs/{job.pk}"))
    make_many(warm)

    assert len(statements_of(lambda: warm.get(f"/jobs/{job.pk}"))) == len(few) == 2


def test_a_cancel_costs_four_however_many_there_are(warm: Api):
    first, second = make_job(project=warm.project), make_job(project=warm.project)
    few = statements_of(lambda: warm.delete(f"/jobs/{first.pk}"))
    make_many(warm)

    assert len(statements_of(lambda: warm.delete(f"/jobs/{second.pk}"))) == len(few) <= 4


def test_what_cannot_exist_is_not_looked_for(warm: Api):
    assert len(statements_of(lambda: warm.get("/jobs/0"))) == 1
    assert len(statements_of(lambda: warm.get("/jobs/abc"))) == 1
    assert len(statements_of(lambda: warm.get(f"/jobs?page={10**30}"))) == 1


@pytest.mark.parametrize("path", ["/jobs", "/jobs/1", "/users/x"])
def test_a_malformed_key_costs_nothing(warm: Api, path: str):
    warm.secret = "jsk_" + "a" * 38

    assert statements_of(lambda: warm.delete(path)) == []
