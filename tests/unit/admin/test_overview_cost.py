"""What the overview costs: as few queries, bounded counts and a light page, whatever there is."""

from datetime import datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs.db import clock
from jobs.db.connection import jobs_connection
from jobs.models import Worker
from jobs.services.commands.pauses import pause_jobs
from jobs.stats import rollup
from tests.support.admin_client import url, with_permissions
from tests.support.admin_overview import make_history, page_of
from tests.support.factories import make_project, make_running_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return with_permissions("view_job")


@pytest.fixture
def now() -> datetime:
    return clock.read(jobs_connection())


def test_it_takes_as_few_queries_whatever_there_is(client: Client, now: datetime):
    pause_jobs(reason="Wait", project=make_project())
    page_of(client)
    with CaptureQueriesContext(connection) as few:
        page_of(client)
    make_history(now)
    for number in range(30):
        Worker.objects.create(name=f"w{number}", started_at=now, beat_at=now)
        make_running_job(worker=f"w{number}")
        pause_jobs(reason="Wait", project=make_project())
    while rollup.roll_up():
        pass

    with CaptureQueriesContext(connection) as many:
        page_of(client)

    assert len(many) == len(few)
    assert len(many) <= 25


def test_no_count_on_it_is_unbounded(client: Client, now: datetime):
    make_history(now)
    with CaptureQueriesContext(connection) as captured:
        page_of(client, span="7d")

    counts = [query["sql"] for query in captured if "COUNT" in query["sql"]]

    assert len(counts) >= 7
    for sql in counts:
        # Of what ended since workers counted last, and of the few leases that ran out.
        assert "LIMIT" in sql or '"finished_at" >= ' in sql or '"lease_expires_at" < ' in sql, sql


def test_it_is_stored_nowhere_and_light(client: Client, now: datetime):
    make_history(now)

    response = client.get(url("job_overview"), {"span": "7d"})
    assert "no-store" in response["Cache-Control"]
    assert len(response.content) < 100_000
