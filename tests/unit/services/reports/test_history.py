"""The history of a job: its attempts, and what integrators may know of its events."""

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
from jobs.services.reports.history import Attempt, History, public_actor, public_note, read_history
from tests.support.execution import claim_again, make_expired_job, run_attempt
from tests.support.factories import LONG_AGO, WORKER, fence_of, make_job, make_project, make_running_job

pytestmark = pytest.mark.django_db

KEY = Actor(kind="key", name="jsk_3fG7a2Qx", request_id="request-7")
STAFF = Actor(kind="staff", name="4711")


def claimed(job: Job) -> Job:
    """Claim a due job, as a worker does."""
    lease = {"lease_token": uuid4(), "worker": WORKER, "lease": timedelta(seconds=45)}
    (found,) = transitions.claim([job.pk], begun_ids=[job.pk], **lease)
    return found


def history_of(job: Job) -> History:
    return read_history(job.events.all())


def outcomes_of(job: Job) -> list[tuple[int, str, str | None]]:
    """Return the number, the outcome and the public error of each attempt."""
    return [(one.number, one.outcome, error_of(one)) for one in history_of(job).attempts]


def error_of(one: Attempt) -> str | None:
    return public_note(one.ended) if one.ended and one.has_error else None


def break_down(_: Any) -> None:
    raise ValueError("shekar@example.com")


def add_event(job: Job, what: str = "released", *, number: int = 1, actor: Actor = SYSTEM, note: str = "") -> JobEvent:
    was, to = ("scheduled", "running") if what == "claimed" else ("running", "scheduled")
    return JobEvent.objects.create(
        job=job, at=LONG_AGO, what=what, from_status=was, to_status=to, attempt=number, actor=str(actor), note=note
    )


def test_events_and_attempts_are_in_the_order_in_which_they_happened():
    job = schedule_job("touch", project=make_project(), reference_id="shekar@example.com", actor=KEY)
    transitions.complete(fence_of(claimed(job)), worker=WORKER)

    history = history_of(job)

    assert [(event.what, public_actor(event), public_note(event)) for event in history.events] == [
        ("scheduled", "key jsk_3fG7a2Qx", None),
        ("claimed", "worker", None),
        ("completed", "worker", None),
    ]
    first, claim, end = history.events
    assert first.at <= claim.at <= end.at
    assert list(history.attempts) == [Attempt(claimed=claim, ended=end)]
    assert (history.attempts[0].ended_at, history.is_cut) == (end.at, False)


def test_an_attempt_has_no_end_until_a_cancel_ends_it():
    job = claimed(make_job())
    while_it_runs, (attempt,) = outcomes_of(job), history_of(job).attempts

    cancel_job(job.pk, project=job.project)

    assert while_it_runs == [(1, "running", None)]
    assert attempt.ended_at is None
    assert outcomes_of(job) == [(1, "cancelled", None)]


def test_each_failed_attempt_has_its_own_error():
    def refuse(_: Any) -> None:
        raise JobFailed("There is no such user.")

    _, job = run_attempt(break_down, claimed(make_job(action="trial")))
    _, job = run_attempt(refuse, claim_again(job))

    first, second = outcomes_of(job)
    assert first[:2] == (1, "retrying")
    assert str(first[2]).startswith("The job failed for an internal reason")
    assert second == (2, "failed", "There is no such user.")


def test_a_released_attempt_has_no_error_and_a_later_cancel_does_not_end_it():
    job = claimed(make_job())
    transitions.release(fence_of(job), worker=WORKER, note="The worker shut down.")
    cancel_job(job.pk, project=job.project)

    assert outcomes_of(job) == [(1, "released", None)]
    assert public_note(history_of(job).events[1]) == "The worker shut down."


def test_a_lost_attempt_does_not_name_its_worker():
    job = make_expired_job(attempt=1)
    add_event(job, "claimed")
    rescuer = Rescuer()
    rescuer.rescue(monotonic=100)
    assert rescuer.rescue(monotonic=120) == [job.pk]

    rescued = history_of(job).events[-1]

    assert WORKER.name in rescued.note
    assert public_note(rescued) == "The worker of this attempt stopped unexpectedly."
    assert outcomes_of(job) == [(1, "lost", public_note(rescued))]


@pytest.mark.parametrize("what", ["cancelled", "held", "resumed", "advanced"])
@pytest.mark.parametrize(("actor", "shown"), [(KEY, "Asked for."), (STAFF, None), (SYSTEM, None)])
def test_the_reason_of_an_intervention_is_public_if_a_key_gave_it(what: str, actor: Actor, shown: str | None):
    assert public_note(add_event(make_running_job(), what, actor=actor, note="Asked for.")) == shown


def test_actors_are_public_by_kind_and_keys_by_their_prefix():
    job = make_running_job()

    named = [public_actor(add_event(job, actor=actor)) for actor in (STAFF, WORKER, SYSTEM, KEY)]

    assert named == ["staff", "worker", "system", "key jsk_3fG7a2Qx"]


@pytest.mark.parametrize("what", JobEvent.What)
def test_a_note_of_staff_is_never_public(what: str):
    assert public_note(add_event(make_running_job(), what, actor=STAFF, note="Shekar called again.")) is None


def test_of_more_than_200_events_the_newest_are_kept():
    job = make_running_job()
    for number in range(1, 101):
        add_event(job, "claimed", number=number)
        add_event(job, number=number)
    whole = history_of(job)

    add_event(job, "claimed", number=999)
    cut = history_of(job)

    assert (len(whole.events), len(whole.attempts), whole.is_cut) == (200, 100, False)
    assert (len(cut.events), len(cut.attempts), cut.is_cut) == (200, 100, True)
    assert cut.events[0] == whole.events[1]
    assert [one.number for one in cut.attempts][::99] == [2, 999]


def test_a_job_without_events_has_no_history():
    assert history_of(make_job()) == History(events=[], attempts=[], is_cut=False)


def test_redaction_leaves_events_and_attempts_without_texts():
    _, job = run_attempt(break_down, claimed(make_job(action="trial")), max_attempts=1)
    redact_jobs(clock.read(connection) + timedelta(days=1))

    assert [(event.what, public_note(event)) for event in history_of(job).events] == [
        ("claimed", None),
        ("failed", None),
    ]
    assert outcomes_of(job) == [(1, "failed", None)]
