"""A worker on a database that ends idle sessions quickly."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Job
from jobs.status import Status
from tests.support.concurrency import one_value, postgresql_only, until
from tests.support.execution import make_expired_job
from tests.support.factories import make_job, make_project
from tests.support.worker_process import worker_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120), postgresql_only]


def test_a_job_that_comes_after_a_long_rest_costs_one_attempt_and_a_dead_workers_job_is_rescued():
    project, now = make_project(), timezone.now()
    for number in range(4):
        due = now + timedelta(seconds=4 + 3.5 * number)
        make_job(project=project, action="note", start_at=due, due_at=due)
    abandoned = make_expired_job(project=project, action="note")

    with worker_process("--threads", "2", settings="tests.settings_short_sessions") as worker:
        done = "SELECT count(*) FROM jobs_job WHERE status = 'completed'"
        until(lambda: one_value(done) == 5, what="all jobs to be completed", seconds=60)
        assert worker.stop() == 0
        assert "database trouble" not in worker.log

    others = Job.objects.exclude(pk=abandoned.pk)
    assert set(others.values_list("status", "attempt", "failures", "crashes")) == {(Status.COMPLETED.value, 1, 0, 0)}
