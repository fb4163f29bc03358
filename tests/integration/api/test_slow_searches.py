"""What one search may cost the database: a statement that takes too long is ended, and the answer says what helps."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.db import connection

from jobs.api import pagination, views
from jobs.services.search import limits, planner
from tests.support.admin_client import url, with_permissions
from tests.support.api_client import Api, assert_error
from tests.support.concurrency import other_connection, postgresql_only, statements, transaction_of
from tests.support.factories import make_job

pytestmark = pytest.mark.django_db(transaction=True)

ON_POSTGRESQL = connection.vendor == "postgresql"


@contextmanager
def slow_searches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each search run into its limit: it waits for a lock, on SQLite it has no time at all."""
    monkeypatch.setattr(limits, "LIST_SECONDS", 0.2 if ON_POSTGRESQL else 0)
    monkeypatch.setattr(limits, "INSTRUCTIONS", 1)
    monkeypatch.setattr(planner, "STATEMENT_MS", 200)
    with ExitStack() as stack:
        if ON_POSTGRESQL:
            other = stack.enter_context(other_connection())
            stack.enter_context(transaction_of(other, "LOCK TABLE jobs_job IN ACCESS EXCLUSIVE MODE"))
        yield


SEARCHES = {
    "status=failed": "narrow the filters",
    "createdFrom=0": "narrow the filters",
    "referenceId=x&cursor=": "narrow the filters",
    "limit=200&page=52": "follow 'cursor' instead",
    "sort=startAt&limit=1&page=10002": "follow 'cursor' instead",
}


@pytest.mark.parametrize(("query", "cure"), SEARCHES.items())
def test_a_search_that_takes_too_long_is_a_503_that_says_what_helps_and_the_connection_stays_usable(
    api: Api, monkeypatch: pytest.MonkeyPatch, query: str, cure: str
):
    with slow_searches(monkeypatch):
        answer = api.get(f"/jobs?{query}")

    assert_error(answer, 503, "too_slow")
    assert cure in answer.json()["error"]
    assert answer["Retry-After"] == "5"
    assert api.get("/jobs?status=failed" if ON_POSTGRESQL else "/jobs").status_code == 200


@postgresql_only
def test_the_limit_ends_with_its_transaction(api: Api):
    make_job(project=api.project)
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        (before,) = cursor.fetchone()

    with statements() as sent:
        api.get("/jobs?status=scheduled")

    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == (before,)
    assert [sql for sql in sent if "'statement_timeout', '1000'" in sql and "true" in sql]


def test_a_fifth_search_and_a_second_large_batch_of_an_organization_at_once_are_busy(api: Api):
    organization = api.project.organization.pk
    jobs = [{"action": "touch_publicly", "referenceId": f"user-{number}"} for number in range(views.LARGE_BATCH + 1)]

    with ExitStack() as stack:
        for _ in range(pagination.SEARCHES.most):
            stack.enter_context(pagination.SEARCHES.one(organization))
        for _ in range(views.BATCHES.most):
            stack.enter_context(views.BATCHES.one(organization))
        busy = [api.get("/jobs?status=failed"), api.get("/jobs?page=9999"), api.post("/jobs/batch", {"jobs": jobs})]
        plain = [api.get("/jobs"), api.post("/jobs", jobs[0]), api.post("/jobs/batch", {"jobs": jobs[1:]})]
    again = [api.get("/jobs?status=failed"), api.post("/jobs/batch", {"jobs": jobs})]

    for answer in busy:
        assert_error(answer, 503, "busy")
        assert answer["Retry-After"] == "1"
    assert [answer.status_code for answer in plain + again] == [200, 201, 201, 200, 201]


@pytest.mark.parametrize("query", ["", "limit=200&page=51", "cursor=", "sort=-startAt"])
def test_a_plain_page_has_no_limit_and_no_transaction(api: Api, query: str):
    api.get("/jobs")

    with statements() as sent:
        assert api.get(f"/jobs?{query}").status_code == 200

    assert not [sql for sql in sent if "statement_timeout" in sql or sql.startswith("BEGIN")]


@postgresql_only
@pytest.mark.parametrize("place", ["list", "bulk"])
def test_staff_get_a_message_in_place_of_a_search_that_takes_too_long(monkeypatch: pytest.MonkeyPatch, place: str):
    make_job()
    client, page = with_permissions("view_job", "cancel_job"), url("job_changelist")
    client.get(page)

    answer: Any
    with slow_searches(monkeypatch):
        if place == "list":
            answer = client.get(page, {"status": "failed"})
        else:
            form = {"action": "cancel_selected", "select_across": "1", "_selected_action": "1"}
            answer = client.post(f"{page}?status=failed", form)

    assert (answer.status_code, answer["Location"]) == (302, page)
    assert "narrow the filters" in client.get(page).content.decode()
