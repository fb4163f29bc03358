"""How many statements a request costs, with authentication."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from jobs.models import JobEvent, Worker
from tests.support.api_client import Api, counted_statements
from tests.support.factories import make_job

pytestmark = pytest.mark.django_db(transaction=True)

VALID = {"action": "touch_publicly", "referenceId": "shekar@example.com"}
ON_POSTGRESQL = connection.vendor == "postgresql"


@pytest.fixture
def warm(transactional_db: None, api: Api) -> Api:
    """An integrator who has created a job within the minute, on a connection that was used before."""
    api.post("/jobs", VALID)
    api.delete(f"/jobs/{make_job(project=api.project).pk}")
    return api


def make_many(api: Api) -> None:
    for _ in range(120):
        make_job(project=api.project)


# With filters, PostgreSQL also limits the time of the transaction.
FILTERED = 3 if ON_POSTGRESQL else 2
READS = {
    **dict.fromkeys(("", "?limit=200", "?page=2", "?cursor=", "?sort=-startAt", "/{job}"), 2),
    "?sort=-startAt&status=scheduled": FILTERED,
    "?status=scheduled&status=failed&action=touch&createdFrom=0&startTo=9999999999999&cursor=&sort=startAt": FILTERED,
    # An impossible id or page costs only the query of the key.
    **dict.fromkeys(("/0", "/abc", f"?page={10**30}"), 1),
}


@pytest.mark.parametrize(("path", "count"), READS.items(), ids=range(len(READS)))
def test_a_read_costs_the_same_however_many_jobs_there_are(warm: Api, path: str, count: int):
    path = f"/jobs{path.format(job=make_job(project=warm.project).pk)}"
    few = counted_statements(lambda: warm.get(path))
    make_many(warm)
    many = counted_statements(lambda: warm.get(path))

    assert len(many) == len(few) == count
    assert not any("COUNT(" in sql.upper() for sql in many)


@pytest.mark.parametrize(
    ("include", "most"),
    [("receipt", 2), ("progress", 4), ("events", 3), ("attempts,events", 3), ("progress,receipt,events,attempts", 5)],
)
def test_what_is_included_costs_a_bounded_number_more(warm: Api, include: str, most: int):
    job = make_job(project=warm.project)
    path = f"/jobs/{job.pk}?include={include}"
    few = counted_statements(lambda: warm.get(path))
    make_many(warm)
    JobEvent.objects.bulk_create(
        JobEvent(job=job, at=job.created_at, what="claimed", to_status="running", attempt=number, actor="system")
        for number in range(300)
    )
    Worker.objects.bulk_create(
        Worker(name=f"host:{number}", started_at=job.created_at, beat_at=job.created_at) for number in range(100)
    )

    assert len(counted_statements(lambda: warm.get(path))) == len(few) == most


def test_a_cancel_costs_three_however_many_there_are_and_a_304_what_a_job_costs(warm: Api):
    first, second = make_job(project=warm.project), make_job(project=warm.project)
    few = counted_statements(lambda: warm.delete(f"/jobs/{first.pk}"))
    make_many(warm)

    assert len(counted_statements(lambda: warm.get(f"/jobs/{second.pk}", headers={"If-None-Match": "*"}))) == 2
    assert len(counted_statements(lambda: warm.delete(f"/jobs/{second.pk}"))) == len(few) == 3


@pytest.mark.parametrize("path", ["/jobs", "/jobs/1", "/users/x"])
def test_a_malformed_key_costs_nothing(warm: Api, path: str):
    warm.secret = "jsk_" + "a" * 38

    assert counted_statements(lambda: warm.delete(path)) == []


# Of the key, the clock, the job, its event; PostgreSQL also sets limits for the transaction and notifies workers.
CREATE = 6 if ON_POSTGRESQL else 4


def post_with_key(api: Api, path: str, body: object) -> Callable[[], object]:
    return lambda: api.post(path, body, headers={"Idempotency-Key": "a"})


def test_an_idempotency_key_costs_one_statement_more_and_a_replay_costs_two(warm: Api):
    make_many(warm)

    assert len(counted_statements(lambda: warm.post("/jobs", VALID))) == CREATE
    assert len(counted_statements(post_with_key(warm, "/jobs", VALID))) == CREATE + 1
    assert len(counted_statements(post_with_key(warm, "/jobs", VALID))) == 2


def batch_of(number: int, action: str) -> dict[str, Any]:
    return {"jobs": [{"action": action, "referenceId": f"user-{index}"} for index in range(number)]}


def test_a_thousand_jobs_cost_one_statement_for_rows_and_one_for_events(warm: Api):
    body = batch_of(1000, "touch_publicly_once")

    sent = counted_statements(post_with_key(warm, "/jobs/batch", body))
    replayed = counted_statements(post_with_key(warm, "/jobs/batch", body))

    inserts = [sql for sql in sent if sql.startswith("INSERT")]
    assert 2 <= len(inserts) <= (2 if ON_POSTGRESQL else 46)  # SQLite's adapter sends at most 999 values at once
    # They are not due, so no worker is notified; active jobs in their way are asked for first.
    assert len(sent) - len(inserts) == CREATE + 1 - 2 - int(ON_POSTGRESQL) + 1
    assert len(replayed) == 2


def test_a_thousand_due_jobs_notify_idle_workers_once(warm: Api):
    sent = counted_statements(lambda: warm.post("/jobs/batch", batch_of(1000, "touch_publicly")))

    assert sum(sql.startswith("NOTIFY") for sql in sent) == int(ON_POSTGRESQL)


def test_conflicts_cost_one_query_however_many_there_are(warm: Api):
    body = batch_of(100, "touch_publicly_once")
    warm.post("/jobs/batch", body)

    sent = [sql for sql in counted_statements(lambda: warm.post("/jobs/batch", body)) if "unique_key" in sql[:3000]]

    assert sum(sql.startswith("SELECT") for sql in sent) == 1
