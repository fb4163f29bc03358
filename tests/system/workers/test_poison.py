"""A job that breaks its own recording costs itself attempts, and its neighbours nothing."""

import pytest

from jobs.models import Job
from jobs.status import Status
from tests.support.factories import make_job, make_project
from tests.support.hostapp.poison_actions import COSTS_ATTEMPTS, ENDS_AT_ONCE
from tests.support.worker_process import until_status, worker_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]


def test_a_worker_gets_past_poisonous_jobs_and_runs_their_neighbours_once():
    project = make_project()
    poisonous = [
        make_job(project=project, action="poison", reference_id=kind) for kind in (*ENDS_AT_ONCE, *COSTS_ATTEMPTS)
    ]
    neighbours = [make_job(project=project, action="note", reference_id=str(number)) for number in range(20)]

    with worker_process("--threads", "3") as worker:
        for job in neighbours:
            until_status(job, Status.COMPLETED, worker=worker)
        for job in poisonous:
            until_status(job, Status.FAILED, worker=worker)
        assert worker.stop() == 0

    assert {(job.attempt, job.failures, job.crashes) for job in neighbours} == {(1, 0, 0)}
    counted = {job.reference_id: (job.attempt, job.failures, job.crashes) for job in poisonous}
    assert counted == {
        **dict.fromkeys(ENDS_AT_ONCE, (1, 1, 0)),
        **dict.fromkeys(COSTS_ATTEMPTS, (2, 2, 0)),
        "unrecordable": (2, 0, 2),
    }
    assert not Job.objects.filter(status=Status.RUNNING).exists()
