"""The explanations agree with the code: transitions, times, sizes of chunks, and the receipt of an erase."""

import ast
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from django.utils import timezone

from jobs import conf
from jobs.execution import runner
from jobs.execution.chunks import AIM_SECONDS, AIM_SECONDS_ONE_WRITER, FIRST_BATCH
from jobs.lifecycle import transitions
from jobs.models import Job, JobEvent
from jobs.processes.rescuer import SECOND_CHECK_AFTER_BEAT
from jobs.status import TRANSITIONS, Status
from jobs.testing import run_due_jobs
from tests.support.doc_pages import PAGES
from tests.support.factories import LONG_AGO, WORKER, fence_of, make_job, make_project
from tests.support.sessions import record_sessions
from tests.support.source import sources

LIFECYCLE: Final = PAGES["lifecycle"].read_text()
ON_PAGE: Final = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \| .* \| `(\w+)` \|$", LIFECYCLE, re.MULTILINE)
INTERVENTIONS: Final = re.findall(r"^\| [a-z ]+ \| `(\w+)` \| .* \| `(\w+)` \|$", LIFECYCLE, re.MULTILINE)
# Functions for one job or several jobs; the page shows the transition once.
OTHER_FORMS: Final = ("_one", "_many")
# What the functions of `transitions` that change a job end in.
WRITERS: Final = ("apply_transition", "apply_fenced", "apply_and_return", "_advance")
LEASE: Final = timedelta(seconds=45)
WAIT: Final = timedelta(seconds=1)

# How each transition is called, for a job that allows it.
CALLS: Final[dict[str, Callable[[Job], Any]]] = {
    "claim": lambda job: transitions.claim([job.pk], lease_token=fence_of(job).lease_token, worker=WORKER, lease=LEASE),
    "complete": lambda job: transitions.complete(fence_of(job), worker=WORKER),
    "fail": lambda job: transitions.fail(fence_of(job), errors="x", worker=WORKER),
    "give_up": lambda job: transitions.give_up(fence_of(job), seen=timezone.now(), errors="x", actor=WORKER),
    "retry_later": lambda job: transitions.retry_later(fence_of(job), wait=WAIT, errors="x", worker=WORKER),
    "interrupt": lambda job: transitions.interrupt(fence_of(job), worker=WORKER, note="x", wait=timedelta(seconds=5)),
    "release": lambda job: transitions.release(fence_of(job), worker=WORKER, note="x"),
    "rescue": lambda job: transitions.rescue(fence_of(job), seen=timezone.now(), begun=True, note="x", actor=WORKER),
    "cancel": lambda job: transitions.cancel(job.pk, project=job.project, actor=WORKER),
    "hold": lambda job: transitions.hold(job.pk, project=job.project, actor=WORKER),
    "resume": lambda job: transitions.resume(job.pk, project=job.project, actor=WORKER),
    "advance": lambda job: transitions.advance(job.pk, project=job.project, actor=WORKER),
}

pytestmark = pytest.mark.django_db


def test_the_page_lists_every_status_every_event_and_the_transitions_that_the_code_allows():
    listed = {(was, then) for was, then, _, _ in ON_PAGE}
    named = {event for *_, event in ON_PAGE} | {event for _, event in INTERVENTIONS}

    assert listed == {(was.value, then.value) for was, allowed in TRANSITIONS.items() for then in allowed}
    assert named == set(JobEvent.What.values) - {"scheduled"}
    assert all(f" {status}" in LIFECYCLE.split("```")[1] for status in Status)


def test_the_page_names_every_function_that_writes_a_transition():
    (source,) = [source for source in sources("jobs") if source.module == "jobs.lifecycle.transitions"]
    writers = {
        function.name
        for function in source.tree.body
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in WRITERS
    }

    listed = {name for _, _, name, _ in ON_PAGE} | {name for name, _ in INTERVENTIONS}

    assert listed - {"schedule_retries"} == {
        name for name in writers if name[0] != "_" and not name.endswith(OTHER_FORMS)
    }
    assert callable(transitions.schedule_retries)


@pytest.mark.parametrize(("was", "then", "transition", "event"), ON_PAGE)
def test_a_transition_changes_the_status_and_writes_the_event_of_the_table(
    was: str, then: str, transition: str, event: str
):
    expired = {"lease_expires_at": LONG_AGO} if was == "running" else {}
    job = make_job(status=Status(was), **expired)

    CALLS[transition](job)

    job.refresh_from_db()
    assert (job.status, job.events.get().what) == (then, event)


@pytest.mark.parametrize(("intervention", "event"), [each for each in INTERVENTIONS if each[0] in CALLS])
def test_an_intervention_keeps_the_status(intervention: str, event: str):
    held_at, due_at = LONG_AGO if intervention == "resume" else None, timezone.now() + timedelta(days=1)
    job = make_job(held_at=held_at, due_at=due_at)

    CALLS[intervention](job)

    job.refresh_from_db()
    assert (job.status, job.events.get().what) == ("scheduled", event)
    assert (job.held_at, job.due_at) != (held_at, due_at)
    assert job.start_at == LONG_AGO


def test_the_pages_name_the_times_of_a_lease_and_the_sizes_of_a_chunk():
    rows = re.findall(r"^\| ([a-z ]+) \| (\d+) s \|", PAGES["leases"].read_text(), re.MULTILINE)
    defaults = conf.JobsSettings()
    second_check = (defaults.beat + SECOND_CHECK_AFTER_BEAT).total_seconds()
    erase = PAGES["erase"].read_text()

    assert {name: int(seconds) for name, seconds in rows} == {
        "beat": defaults.beat_seconds,
        "lease": defaults.lease_seconds,
        "sweep": defaults.sweep_seconds,
        "second check": second_check,
    }
    assert defaults.lease_seconds + defaults.sweep_seconds + second_check < 75
    assert f"aims at {AIM_SECONDS:g} s (SQLite: {AIM_SECONDS_ONE_WRITER:g} s)" in erase
    assert f": {FIRST_BATCH} at first" in erase
    assert runner.PASSES == 5
    assert "five times at most" in erase


def test_the_receipt_on_the_page_is_the_receipt_of_an_erase():
    (text,) = re.findall(r"```json\n(.*?)```", PAGES["erase"].read_text(), re.DOTALL)
    project = make_project()
    record_sessions(project, "shekar@example.com", 3)
    make_job(project=project, action="delete_user_data", reference_id="shekar@example.com")

    (job,) = run_due_jobs()

    shown = json.loads(text)
    instants = [receipt.pop("verified_at") for receipt in (job.receipt, shown)]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", instant) for instant in instants)
    assert job.receipt == shown
