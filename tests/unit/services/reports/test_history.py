"""What happened to a job, as its integrators may know it."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from jobs import JobFailed, cancel_job
from jobs.actors import SYSTEM, Actor
from jobs.db import clock
from jobs.lifecycle import transitions
from jobs.models import Job, JobEvent
from jobs.processes.rescuer import Rescuer
from jobs.services.commands.prune import redact_jobs
from jobs.services.commands.schedule import schedule_job
from jobs.services.reports.history import MOST_EVENTS, Attempt, get_history
from jobs.status import Status
from tests.support.concurrency import statements
from tests.support.execution import claim_again, make_expired_job, run_attempt
from tests.support.factories import LONG_AGO, WORKER, fence_of, make_job, make_project, make_running_job

pytestmark = pytest.mark.django_db

KEY = Actor(kind="key", name="jsk_3fG7a2Qx", request_id="request-7")
STAFF = Actor(kind="staff", name="4711")
LEASE = timedelta(seconds=45)


def claim(job: Job) -> Job:
    """Claim a job that is due now, as a worker does."""
    (claimed,) = transitions.claim([job.pk], lease_token=uuid4(), worker=WORKER, lease=LEASE, begun_ids=[job.pk])
    return claimed


def break_down(_: Any) -> None:
    raise ValueError("shekar@example.com")


def note_of_last(job: Job) -> str | None:
    return get_history(job).events[-1].note


def add_event(job: Job, what: str = "released", *, number: int = 1, actor: str = "system", **texts: str) -> None:
    was, to = ("scheduled", "running") if what == "claimed" else ("running", "scheduled")
    JobEvent.objects.create(
        job=job, at=LONG_AGO, what=what, from_status=was, to_status=to, attempt=number, actor=actor, **texts
    )


def test_a_job_s_life_is_told_from_its_first_event_to_its_last():
    job = schedule_job("touch", project=make_project(), reference_id="shekar@example.com", actor=KEY)
    running = claim(job)
    transitions.complete(fence_of(running), worker=WORKER)

    history = get_history(job)

    told = [(event.what, event.was, event.to, event.attempt, event.by, event.note) for event in history.events]
    assert told == [
        ("scheduled", None, "scheduled", 0, "key jsk_3fG7a2Qx", None),
        ("claimed", "scheduled", "running", 1, "worker", None),
        ("completed", "running", "completed", 1, "worker", None),
    ]
    first, claimed, ended = (event.at for event in history.events)
    assert first <= claimed <= ended
    assert history.attempts == [Attempt(number=1, claimed_at=claimed, ended_at=ended, outcome="completed")]
    assert not history.is_cut


def test_a_running_attempt_has_no_end():
    job = claim(make_job())

    (only,) = get_history(job).attempts

    assert (only.number, only.ended_at, only.outcome, only.error) == (1, None, "running", None)


def test_a_failed_attempt_and_the_one_after_it_are_told_apart():
    job = claim(make_job(action="trial"))
    _, job = run_attempt(break_down, job)
    job = claim_again(job)

    def refuse(_: Any) -> None:
        raise JobFailed("There is no such user.")

    _, job = run_attempt(refuse, job)

    first, second = get_history(job).attempts
    assert (first.number, first.outcome) == (1, "retrying")
    assert first.error is not None
    assert first.error.startswith("The job failed for an internal reason")
    assert (second.number, second.outcome, second.error) == (2, "failed", "There is no such user.")
    assert second.claimed_at >= first.ended_at


def test_a_job_handed_back_was_released_and_that_is_no_error():
    job = claim(make_job())
    transitions.release(fence_of(job), worker=WORKER, note="The worker shut down.")

    history = get_history(job)

    assert (history.attempts[0].outcome, history.attempts[0].error) == ("released", None)
    assert history.events[-1].note == "The worker shut down."


def test_a_lost_worker_ends_the_attempt_and_its_name_is_not_told():
    job = make_expired_job(attempt=1)
    add_event(job, "claimed")
    rescuer = Rescuer()
    rescuer.rescue(monotonic=100)
    assert rescuer.rescue(monotonic=120) == [job.pk]

    history = get_history(job)

    assert WORKER.name in JobEvent.objects.get(what="rescued").note
    assert WORKER.name not in str(history)
    assert history.attempts[0].outcome == "lost"
    assert history.attempts[0].error == history.events[-1].note == "The worker of this attempt stopped unexpectedly."


def test_a_cancel_ends_a_running_attempt():
    job = claim(make_job())
    cancel_job(job.pk, project=job.project)

    (only,) = get_history(job).attempts

    assert (only.outcome, only.error) == ("cancelled", None)
    assert only.ended_at


def test_a_cancel_of_a_waiting_job_leaves_its_attempts_as_they_were():
    job = claim(make_job())
    transitions.release(fence_of(job), worker=WORKER, note="The worker shut down.")
    cancel_job(job.pk, project=job.project)

    assert [one.outcome for one in get_history(job).attempts] == ["released"]


@pytest.mark.parametrize(("actor", "shown"), [(KEY, "Asked for."), (STAFF, None), (SYSTEM, None)])
def test_the_reason_of_a_cancel_is_shown_if_a_key_gave_it(actor: Actor, shown: str | None):
    job = make_job()
    cancel_job(job.pk, project=job.project, actor=actor, reason="Asked for.")

    assert note_of_last(job) == shown


def test_nobody_is_named_but_keys():
    job = make_running_job()
    for actor in (STAFF, WORKER, SYSTEM, KEY):
        add_event(job, actor=str(actor))

    assert [event.by for event in get_history(job).events] == ["staff", "worker", "system", "key jsk_3fG7a2Qx"]


@pytest.mark.parametrize("what", JobEvent.What)
def test_no_note_of_staff_s_is_ever_shown(what: str):
    job = make_running_job()
    add_event(job, what, actor=str(STAFF), note="Shekar called again.")

    history = get_history(job)

    assert "Shekar" not in str(history)


def test_a_traceback_is_not_even_read():
    job = make_running_job()
    add_event(job, detail="Traceback", request_id="request-7")

    with statements() as made:
        history = get_history(job)

    assert len(made) == 1
    assert '"detail"' not in made[0]
    assert "Traceback" not in str(history)


def test_the_newest_are_told_if_there_are_too_many():
    job = make_running_job()
    for number in range(1, MOST_EVENTS // 2 + 1):
        add_event(job, "claimed", number=number)
        add_event(job, number=number)
    whole = get_history(job)

    add_event(job, "claimed", number=999)
    cut = get_history(job)

    assert (len(whole.events), len(whole.attempts), whole.is_cut) == (200, 100, False)
    assert (len(cut.events), len(cut.attempts), cut.is_cut) == (200, 100, True)
    assert cut.events[0] == whole.events[1]
    assert [one.number for one in cut.attempts][::99] == [2, 999]


def test_a_job_without_events_has_no_history():
    history = get_history(make_job())

    assert (list(history.events), list(history.attempts), history.is_cut) == ([], [], False)


def test_what_was_redacted_is_told_without_its_words():
    job = claim(make_job(action="trial"))
    _, job = run_attempt(break_down, job, max_attempts=1)
    redact_jobs(clock.read(connection) + timedelta(days=1))

    history = get_history(job)

    assert job.status == Status.FAILED
    assert [(event.what, event.note) for event in history.events] == [("claimed", None), ("failed", None)]
    assert [(one.outcome, one.error) for one in history.attempts] == [("failed", None)]
