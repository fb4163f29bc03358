"""Why a job that waits does not run yet."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from jobs.models import Job, Pause, Worker
from jobs.services.reports.wait_reasons import Wait, WaitReason, explain_wait
from jobs.services.search.jobs import get_job_and_time
from jobs.status import Status
from tests.support.execution import run_attempt
from tests.support.factories import LONG_AGO, make_job, make_project

pytestmark = pytest.mark.django_db

NOW = LONG_AGO + timedelta(days=1)


def make_worker(*, beat: float, kind: Worker.Kind = Worker.Kind.WORKER) -> datetime:
    """Insert a worker that beat so many seconds before ``NOW``; return when."""
    beat_at = NOW - timedelta(seconds=beat)
    Worker.objects.create(name=f"host:1:{kind}:{beat}", kind=kind, started_at=LONG_AGO, beat_at=beat_at)
    return beat_at


def make_pause(*, action: str | None = None, project: Any = None, at: datetime = LONG_AGO) -> None:
    Pause.objects.create(action=action, project=project, reason="Ana asked us to.", created_at=at, created_by="staff:1")


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.SCHEDULED])
def test_a_job_that_runs_or_has_ended_waits_for_nothing(status: Status):
    assert explain_wait(make_job(status=status), now=NOW) is None


def test_a_job_that_was_never_claimed_waits_for_its_start_time():
    job = make_job(due_at=NOW + timedelta(seconds=1))

    assert explain_wait(job, now=NOW) == Wait(reason=WaitReason.START_TIME, until=job.due_at)


def test_a_job_whose_attempt_failed_waits_for_its_retry():
    def break_down(_: Any) -> None:
        raise ValueError

    _, job = run_attempt(break_down)
    _, now = get_job_and_time(job.pk, project=job.project)

    assert explain_wait(job, now=now) == Wait(reason=WaitReason.RETRY, until=job.due_at)


def test_neither_a_pause_nor_the_lack_of_workers_is_named_before_a_job_is_due():
    make_pause()
    job = make_job(due_at=NOW + timedelta(hours=1))

    assert explain_wait(job, now=NOW) == Wait(reason=WaitReason.START_TIME, until=job.due_at)


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


def test_a_pause_of_others_is_none_of_its_business():
    job = make_job()
    make_worker(beat=1)
    make_pause(action="other")
    make_pause(project=make_project())
    make_pause(action="other", project=job.project)
    make_pause(action=job.action, project=make_project())

    assert explain_wait(job, now=NOW) == Wait(reason=WaitReason.TURN)


def test_without_any_worker_it_waits_for_one_and_nothing_is_known_of_a_beat():
    assert explain_wait(make_job(), now=NOW) == Wait(reason=WaitReason.WORKER)


def test_with_dead_workers_only_the_last_beat_of_any_is_told():
    make_worker(beat=3600)
    last = make_worker(beat=61)

    assert explain_wait(make_job(), now=NOW) == Wait(reason=WaitReason.WORKER, since=last)


@pytest.mark.parametrize("beat", [0, 60])
def test_with_one_worker_alive_it_waits_for_its_turn(beat: float):
    make_worker(beat=beat)
    make_worker(beat=3600)

    assert explain_wait(make_job(due_at=NOW), now=NOW) == Wait(reason=WaitReason.TURN)


@pytest.mark.parametrize("alone", [Worker.Kind.ENGINE, Worker.Kind.DISPATCHER])
def test_an_engine_without_a_dispatcher_or_a_dispatcher_without_an_engine_runs_nothing(alone: Worker.Kind):
    make_worker(beat=1, kind=alone)

    assert explain_wait(make_job(), now=NOW) == Wait(reason=WaitReason.WORKER)


def test_with_an_engine_and_a_dispatcher_it_waits_for_its_turn():
    make_worker(beat=1, kind=Worker.Kind.ENGINE)
    make_worker(beat=2, kind=Worker.Kind.DISPATCHER)

    assert explain_wait(make_job(), now=NOW) == Wait(reason=WaitReason.TURN)


def test_of_an_engine_and_its_dispatcher_the_one_that_died_first_tells_since_when():
    make_worker(beat=1, kind=Worker.Kind.ENGINE)
    died = make_worker(beat=500, kind=Worker.Kind.DISPATCHER)

    assert explain_wait(make_job(), now=NOW) == Wait(reason=WaitReason.WORKER, since=died)


def test_a_job_that_went_back_in_line_at_once_waits_for_its_turn():
    make_worker(beat=1)

    assert explain_wait(make_job(attempt=2), now=NOW) == Wait(reason=WaitReason.TURN)


def test_the_answer_stays_the_same_while_time_passes():
    make_worker(beat=100)
    job: Job = make_job()

    assert explain_wait(job, now=NOW) == explain_wait(job, now=NOW + timedelta(minutes=7))


def test_a_job_of_a_disabled_organization_is_held_whatever_else_is_in_its_way():
    job = make_job(due_at=NOW)
    make_pause()
    type(job.project.organization).objects.update(disabled_at=NOW)

    assert explain_wait(job, now=NOW) == Wait(reason=WaitReason.DISABLED, since=NOW)
