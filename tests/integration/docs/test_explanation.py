"""The explanations agree with the code: moves, times, measures, and a receipt with a real one."""

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
from tests.integration.docs.test_readme import record_sessions
from tests.support.doc_pages import PAGES
from tests.support.factories import LONG_AGO, WORKER, fence_of, make_job, make_project
from tests.support.source import sources

LIFECYCLE: Final = PAGES["lifecycle"].read_text()
MOVED: Final = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \| .* \| `(\w+)` \|$", LIFECYCLE, re.MULTILINE)
STEPS: Final = re.findall(r"^\| [a-z ]+ \| `(\w+)` \| .* \| `(\w+)` \|$", LIFECYCLE, re.MULTILINE)
# Names of moves that are told already, of one job or of several at once.
OTHER_FORMS: Final = ("_one", "_many")
# What the functions of `transitions` that move a job end in.
WRITERS: Final = ("move", "_cancel", "_advance")
LEASE: Final = timedelta(seconds=45)
WAIT: Final = timedelta(seconds=1)

# How each move is called; a job that it fits is handed in.
CALLS: Final[dict[str, Callable[[Job], Any]]] = {
    "claim": lambda job: transitions.claim([job.pk], lease_token=fence_of(job).lease_token, worker=WORKER, lease=LEASE),
    "complete": lambda job: transitions.complete(fence_of(job), worker=WORKER),
    "fail": lambda job: transitions.fail(fence_of(job), errors="x", worker=WORKER),
    "give_up": lambda job: transitions.give_up(fence_of(job), seen=timezone.now(), errors="x", actor=WORKER),
    "retry_later": lambda job: transitions.retry_later(fence_of(job), wait=WAIT, errors="x", worker=WORKER),
    "release": lambda job: transitions.release(fence_of(job), worker=WORKER, note="x"),
    "rescue": lambda job: transitions.rescue(fence_of(job), seen=timezone.now(), begun=True, note="x", actor=WORKER),
    "cancel": lambda job: transitions.cancel(job.pk, project=job.project, actor=WORKER),
    "hold": lambda job: transitions.hold(job.pk, project=job.project, actor=WORKER),
    "resume": lambda job: transitions.resume(job.pk, project=job.project, actor=WORKER),
    "advance": lambda job: transitions.advance(job.pk, project=job.project, actor=WORKER),
}

pytestmark = pytest.mark.django_db


# ---------------------------------------------------------------- the lifecycle


def test_the_table_of_moves_is_that_of_the_code():
    told = {(was, then) for was, then, _, _ in MOVED}

    assert told == {(was.value, then.value) for was, moves in TRANSITIONS.items() for then in moves}


def test_every_move_and_step_that_the_code_has_is_told():
    (source,) = [source for source in sources("jobs") if source.module == "jobs.lifecycle.transitions"]
    movers = {
        function.name
        for function in source.tree.body
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in WRITERS
    }

    told = {move for _, _, move, _ in MOVED} | {move for move, _ in STEPS}

    assert told - {"schedule_retries"} == {name for name in movers if name[0] != "_" and not name.endswith(OTHER_FORMS)}
    assert callable(transitions.schedule_retries)


@pytest.mark.parametrize(("was", "then", "move", "event"), MOVED)
def test_a_move_does_what_the_table_says(was: str, then: str, move: str, event: str):
    expired = {"lease_expires_at": LONG_AGO} if was == "running" else {}
    job = make_job(status=Status(was), **expired)

    CALLS[move](job)

    job.refresh_from_db()
    assert (job.status, job.events.get().what) == (then, event)


@pytest.mark.parametrize(("move", "event"), [step for step in STEPS if step[0] in CALLS])
def test_a_step_leaves_the_status_as_it_is(move: str, event: str):
    held_at, due_at = LONG_AGO if move == "resume" else None, timezone.now() + timedelta(days=1)
    job = make_job(held_at=held_at, due_at=due_at)

    CALLS[move](job)

    job.refresh_from_db()
    assert (job.status, job.events.get().what) == ("scheduled", event)
    assert (job.held_at, job.due_at) != (held_at, due_at)
    assert job.start_at == LONG_AGO


def test_every_kind_of_event_is_told():
    told = {event for *_, event in MOVED} | {event for _, event in STEPS}

    assert told == set(JobEvent.What.values) - {"scheduled"}


def test_the_drawings_name_every_status():
    assert all(f" {status}" in LIFECYCLE.split("```")[1] for status in Status)


# ---------------------------------------------------------------- leases


def test_the_times_of_a_lease_are_the_defaults():
    rows = re.findall(r"^\| ([a-z ]+) \| (\d+) s \|", PAGES["leases"].read_text(), re.MULTILINE)
    defaults = conf.JobsSettings()
    look = defaults.beat + SECOND_CHECK_AFTER_BEAT

    assert {name: int(seconds) for name, seconds in rows} == {
        "beat": defaults.beat_seconds,
        "lease": defaults.lease_seconds,
        "sweep": defaults.sweep_seconds,
        "second look": look.total_seconds(),
    }
    assert defaults.lease_seconds + defaults.sweep_seconds + look.total_seconds() < 75


# ---------------------------------------------------------------- the erase


def test_the_receipt_of_the_page_is_that_of_an_erase():
    (text,) = re.findall(r"```json\n(.*?)```", PAGES["erase"].read_text(), re.DOTALL)
    project = make_project()
    record_sessions(project, "shekar@example.com", 3)
    make_job(project=project, action="delete_user_data", reference_id="shekar@example.com")

    (job,) = run_due_jobs()

    shown = json.loads(text)
    at = job.receipt["verified_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", at)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", shown["verified_at"])
    assert {**job.receipt, "verified_at": ""} == {**shown, "verified_at": ""}


def test_the_measures_of_a_chunk_are_the_code_s():
    text = PAGES["erase"].read_text()

    assert f"aims at {AIM_SECONDS:g} s (SQLite: {AIM_SECONDS_ONE_WRITER:g} s)" in text
    assert f": {FIRST_BATCH} at first" in text
    assert runner.PASSES == 5
    assert "five times at most" in text
