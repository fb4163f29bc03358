"""Processes beside Django's own pool of connections (psycopg_pool), which is smaller than what they need."""

import pytest

from jobs.models import Job
from jobs.status import Status
from tests.support.concurrency import one_value, postgresql_only, until
from tests.support.factories import make_job, make_project
from tests.support.worker_process import worker_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120), postgresql_only]

THREADS = 4
OTHERS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND backend_type = 'client backend'"
)


def sessions() -> int:
    return one_value(f"SELECT count(*) {OTHERS}")


def completed() -> int:
    return one_value("SELECT count(*) FROM jobs_job WHERE status = 'completed'")


def test_a_worker_runs_its_jobs_whatever_the_size_of_the_pool_and_leaves_no_session_behind_after_failovers():
    project = make_project()

    def run_some() -> int:
        """Run ten jobs; return how many sessions the worker has."""
        before = completed()
        for _ in range(10):
            make_job(project=project, action="note")
        until(lambda: completed() == before + 10, what="all jobs to be completed")
        return sessions()

    with worker_process("--threads", str(THREADS), settings="tests.settings_pooled") as worker:
        most = run_some()
        for _ in range(5):
            one_value(f"SELECT count(pg_terminate_backend(pid)) {OTHERS}")
            most = max(most, run_some())
        assert worker.stop() == 0

    assert most <= THREADS + 4
    assert set(Job.objects.values_list("status", "crashes", "failures")) == {(Status.COMPLETED.value, 0, 0)}
    until(lambda: sessions() == 0, what="the worker's sessions to end")
