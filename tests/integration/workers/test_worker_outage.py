"""A worker releases its jobs when the database is away for longer than it tries; no failure is counted."""

from typing import Any
from unittest.mock import Mock

import pytest
from django.db import connection

from jobs import actions
from jobs.execution import runner
from jobs.processes.releases import ReleaseQueue
from jobs.status import Status
from jobs.workers.worker import JobWorker
from tests.support.concurrency import lost_connection
from tests.support.factories import make_job

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_job_whose_outcome_could_not_be_recorded_is_run_again_uncounted(monkeypatch: pytest.MonkeyPatch):
    job = make_job(action="touch")
    run, errors = runner.run, [lost_connection()]

    def fail_once(*args: Any, **kwargs: Any) -> runner.AttemptResult:
        if errors:
            raise errors.pop()
        return run(*args, **kwargs)

    monkeypatch.setattr(runner, "run", fail_once)
    status = JobWorker(threads=1, drain=True).run()

    job.refresh_from_db()
    assert status == 0
    assert (job.status, job.attempt, job.failures, job.crashes) == (Status.COMPLETED, 2, 0, 0)
    assert list(job.events.values_list("what", flat=True)) == ["claimed", "released", "claimed", "completed"]


def test_a_worker_keeps_its_connection_from_job_to_job(monkeypatch: pytest.MonkeyPatch):
    used: list[object] = []
    monkeypatch.setattr(actions, "_registry", {})
    actions.action("look", description="Look at the connection")(lambda job: used.append(connection.connection))
    for _ in range(3):
        make_job(action="look")

    JobWorker(threads=1, drain=True).run()

    assert len(used) == 3
    assert used[0] is used[1] is used[2]


def test_a_worker_that_cannot_release_its_jobs_ends_for_its_supervisor(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("jobs.workers.worker.NEXT_CHUNK_SECONDS", 0.0)
    monkeypatch.setattr("jobs.workers.worker.RELEASE_SECONDS", 0.1)
    monkeypatch.setattr(ReleaseQueue, "release_all", Mock(side_effect=lost_connection()))
    monkeypatch.setattr(ReleaseQueue, "__len__", lambda _: 7)
    worker = JobWorker(threads=1)
    worker.stop()

    assert worker.run() == 3
    assert "7 jobs are not released" in caplog.text
