"""One job that keeps the database busy, and everybody else who wants to write."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from jobs import cancel_job, schedule_job
from jobs.execution.leases import Leases
from jobs.models import Job
from jobs.status import Status
from tests.support.concurrency import until
from tests.support.factories import fence_of, make_job, make_running_job
from tests.support.worker_process import until_status, worker_process

pytestmark = pytest.mark.django_db(transaction=True)

TIMES = 8


def seconds(work: Callable[[], Any]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def test_cancel_create_and_beat_each_answer_within_a_second_during_an_endless_erasure():
    busy = make_job(action="erase_for_ever")
    bystander = make_running_job(project=busy.project)
    leases = Leases()
    leases.add(fence_of(bystander))
    with worker_process() as worker:
        until_status(busy, Status.RUNNING, worker=worker)
        until(lambda: Job.objects.get(pk=busy.pk).progress_done > 500, what="some chunks")

        def schedule() -> Job:
            return schedule_job("touch_in_an_hour", project=busy.project, reference_id="a")

        creates = [seconds(schedule) for _ in range(TIMES)]
        beats = [seconds(leases.renew) for _ in range(TIMES)]
        others = Job.objects.filter(action="touch_in_an_hour")
        cancels = [seconds(lambda job=job: cancel_job(job.pk, project=busy.project)) for job in others]
        cancels.append(seconds(lambda: cancel_job(busy.pk, project=busy.project)))
        busy.refresh_from_db()
        done = busy.progress_done
        worker.stop()

    busy.refresh_from_db()
    assert max(creates) < 1
    assert max(beats) < 1
    assert max(cancels) < 1
    assert len(cancels) == TIMES + 1
    assert (busy.status, busy.progress_done) == (Status.CANCELLED, done)
