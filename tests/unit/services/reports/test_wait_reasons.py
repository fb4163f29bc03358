"""``explain_wait``: why a scheduled job does not run yet."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from jobs.models import Job, Pause, Worker
from jobs.services.reports.wait_reasons import Wait, WaitReason, explain_wait
from jobs.services.search.jobs import get_job_and_time
from jobs.status import Status
from tests.support.execution import run_attempt, stumble
from tests.support.factories import LONG_AGO, make_job, make_project

pytestmark = pytest.mark.django_db

NOW = LONG_AGO + timedelta(days=1)


def make_worker(*, beat: float, kind: Worker.Kind = Worker.Kind.WORKER) -> None:
    """Insert a worker whose last heartbeat was so many seconds before ``NOW``."""
    beat_at = NOW - timedelta(seconds=beat)
    Worker.objects.create(name=f"host:1:{kind}:{beat}", kind=kind, started_at=LONG_AGO, beat_at=beat_at)


def make_pause(*, action: str | None = None, project: Any = None, at: datetime = LONG_AGO) -> None:
    Pause.objects.create(action=action, project=project, reason="Ana asked us to.", created_at=at, created_by="staff:1")


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.SCHEDULED])
def test_a_job_that_runs_or_has_ended_does_not_wait(status: Status):
    assert explain_wait(make_job(status=status), now=NOW) is None


@pytest.mark.parametrize("is_paused", [False, True])
def test_a_job_that_was_never_claimed_waits_for_its_start_time_whatever_is_paused(is_paused: bool):
    job = make_job(due_at=NOW + timedelta(seconds=1))
    if is_paused:
        make_pause()

    assert explain_wait(job, now=NOW) == Wait(reason=WaitReason.START_TIME, until=job.due_at)


def test_a_job_whose_attempt_failed_waits_for_its_retry():
    _, job = run_attempt(stumble)
    _, now = get_job_and_time(job.pk, project=job.project)

    assert explain_wait(job, now=now) == Wait(reason=WaitReason.RETRY, until=job.due_at)


@pytest.mark.parametrize("scope", ["everything", "its action", "its project", "both"])
def test_a_job_that_a_pause_covers_waits_for_its_end(scope: str):
    job = make_job(due_at=NOW)
    make_worker(beat=1)
    make_pause(
        action=job.action if scope in ("its action", "both") else None,
        project=job.project if scope in ("its project", "both") else None,
    )

    assert explain_wait(job, now=NOW) == Wait(reason=WaitReason.PAUSED, since=LONG_AGO)


def test_of_several_pauses_the_oldest_counts():
    job = make_job()
    make_pause(at=NOW)
    make_pause(project=job.project, at=NOW - timedelta(hours=2))

    assert explain_wait(job, now=NOW) == Wait(reason=WaitReason.PAUSED, since=NOW - timedelta(hours=2))


def test_pauses_of_other_jobs_do_not_matter():
    job = make_job()
    make_worker(beat=1)
    make_pause(action="other")
    make_pause(project=make_project())
    make_pause(action="other", project=job.project)
    make_pause(action=job.action, project=make_project())

    assert explain_wait(job, now=NOW) == Wait(reason=WaitReason.TURN)


WORKER, ENGINE, DISPATCHER = Worker.Kind.WORKER, Worker.Kind.ENGINE, Worker.Kind.DISPATCHER


@pytest.mark.parametrize(
    ("beats", "reason", "age"),
    [
        ([], WaitReason.WORKER, None),
        ([(WORKER, 3600), (WORKER, 61)], WaitReason.WORKER, 61),
        ([(WORKER, 60), (WORKER, 3600)], WaitReason.TURN, None),
        ([(WORKER, 0), (WORKER, 3600)], WaitReason.TURN, None),
        ([(ENGINE, 1)], WaitReason.WORKER, None),
        ([(DISPATCHER, 1)], WaitReason.WORKER, None),
        ([(ENGINE, 1), (DISPATCHER, 2)], WaitReason.TURN, None),
        ([(ENGINE, 1), (DISPATCHER, 500)], WaitReason.WORKER, 500),
    ],
)
def test_a_due_job_waits_for_a_living_worker_or_for_its_turn(beats: list[Any], reason: WaitReason, age: float | None):
    for kind, seconds in beats:
        make_worker(beat=seconds, kind=kind)
    since = None if age is None else NOW - timedelta(seconds=age)

    assert explain_wait(make_job(due_at=NOW), now=NOW) == Wait(reason=reason, since=since)


def test_a_job_that_is_back_in_the_queue_waits_for_its_turn():
    make_worker(beat=1)

    assert explain_wait(make_job(attempt=2), now=NOW) == Wait(reason=WaitReason.TURN)


def test_the_answer_does_not_change_with_time():
    make_worker(beat=100)
    job: Job = make_job()

    assert explain_wait(job, now=NOW) == explain_wait(job, now=NOW + timedelta(minutes=7))


def test_a_disabled_organization_is_the_reason_before_a_pause():
    job = make_job(due_at=NOW)
    make_pause()
    type(job.project.organization).objects.update(disabled_at=NOW)

    assert explain_wait(job, now=NOW) == Wait(reason=WaitReason.DISABLED, since=NOW)
