"""What the overview costs: as few queries, bounded counts and a light page, whatever there is."""

from datetime import datetime
from typing import Final

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobs.db import clock
from jobs.db.connection import jobs_connection
from jobs.models import Worker
from jobs.services.commands.pauses import pause_jobs
from jobs.stats import rollup
from tests.support.admin_client import url
from tests.support.admin_overview import make_history, page_of
from tests.support.factories import make_project, make_running_job

STAFF_MAY: Final = ("view_job",)


@pytest.fixture
def now() -> datetime:
    return clock.read(jobs_connection())


def test_the_overview_takes_the_same_number_of_queries_for_any_data(client: Client, now: datetime):
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


def test_the_overview_is_small_and_not_cached(client: Client, now: datetime):
    make_history(now)

    response = client.get(url("job_overview"), {"span": "7d"})
    assert "no-store" in response["Cache-Control"]
    assert len(response.content) < 100_000
