"""Pruning: jobs that ended long ago are redacted or deleted, in batches, and no others."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import ProtectedError
from django.db.models.signals import pre_delete
from django.test import override_settings
from django.utils import timezone

from jobs.exceptions import InvalidField
from jobs.models import Job, JobEvent
from jobs.services.commands import prune
from jobs.services.commands.prune import count_to_delete, count_to_redact, delete_jobs, pruned_before, redact_jobs
from jobs.status import Status
from tests.support.concurrency import other_connection, postgresql_only, somebody_holds, statements
from tests.support.execution import make_due_jobs
from tests.support.factories import LONG_AGO, make_job, make_project
from tests.support.plans import analyze, plan_of
from tests.support.transitions import row_of

pytestmark = pytest.mark.django_db

BEFORE = LONG_AGO + timedelta(days=30)
FINAL = [status for status in Status if status.is_final]
RECEIPT = {"stores": {"sessions": {"found": 3, "done": 3, "left": 0}}, "verified_at": "2025-01-01T12:00:00+00:00"}
PERSONAL = "shekar@example.com"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not pause between batches."""
    monkeypatch.setattr(prune, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(prune, "SQLITE_PAUSE_SECONDS", 0)


def make_old_job(status: Status = Status.COMPLETED, **what_matters: Any) -> Job:
    """Insert a job that names a person wherever a job can, with an event that does, too."""
    texts = {"reference_id": PERSONAL, "unique_key": PERSONAL, "description": PERSONAL, "parameters": {"a": PERSONAL}}
    texts |= {"call_digest": PERSONAL, "call_body": PERSONAL, "call_index": Job.objects.count()}
    job = make_job(status=status, **{**texts, "errors": PERSONAL, "receipt": RECEIPT, **what_matters})
    words = {"note": PERSONAL, "detail": PERSONAL, "request_id": PERSONAL, "actor": "key:jsk_3fG7a2Qx"}
    JobEvent.objects.create(job=job, at=LONG_AGO, what="scheduled", to_status=status.value, attempt=0, **words)
    return job


@pytest.mark.parametrize("status", FINAL)
def test_a_redacted_job_has_no_personal_data_and_keeps_its_receipt(status: Status):
    job = make_old_job(status)
    before = row_of(job)

    pruned = redact_jobs(BEFORE)

    after = row_of(job)
    events = list(JobEvent.objects.values())
    assert (pruned.done, pruned.events) == (1, 1)
    assert PERSONAL not in f"{after} {events}"
    changed = {name for name in after if after[name] != before[name]}
    call = {"call_digest", "call_body", "call_index"}
    assert changed == {"reference_id", "unique_key", "description", "parameters", "errors", *call}
    assert (after["reference_id"], after["receipt"]) == ("", RECEIPT)
    assert [event["actor"] for event in events] == ["key:jsk_3fG7a2Qx"]


@pytest.mark.parametrize("status", [status for status in Status if not status.is_final])
def test_an_active_job_is_neither_redacted_nor_deleted_however_old(status: Status):
    job = make_old_job(status)
    before = row_of(job)

    assert redact_jobs(timezone.now() + timedelta(days=1)).done == 0
    assert delete_jobs(timezone.now() + timedelta(days=1)).done == 0
    assert row_of(job) == before


def test_one_run_redacts_in_batches_all_jobs_that_ended_before_and_a_second_run_none():
    young = make_old_job(finished_at=BEFORE)
    old = make_old_job(finished_at=BEFORE - timedelta(microseconds=1), project=young.project)
    for _ in range(6):
        make_old_job(project=young.project)

    first, second = redact_jobs(BEFORE, batch_size=3), redact_jobs(BEFORE, batch_size=3)

    assert (first.done, first.events) == (7, 7)
    assert (second.done, second.events) == (0, 0)
    assert (row_of(young)["reference_id"], row_of(old)["reference_id"]) == (PERSONAL, "")


def test_a_run_after_one_that_was_cut_short_does_the_rest(monkeypatch: pytest.MonkeyPatch):
    for _ in range(5):
        make_old_job()

    def cut() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(prune, "_sleep_between_batches", cut)
        redact_jobs(BEFORE, batch_size=2)

    assert count_to_redact(BEFORE) == 3
    assert redact_jobs(BEFORE).done == 3


@pytest.mark.django_db(transaction=True)
@postgresql_only
def test_a_locked_row_is_left_to_the_next_run():
    locked, free = make_old_job(), make_old_job()

    with somebody_holds(locked):
        beside_a_lock = redact_jobs(BEFORE)

    assert beside_a_lock.done == 1
    assert (row_of(locked)["reference_id"], row_of(free)["reference_id"]) == (PERSONAL, "")
    assert redact_jobs(BEFORE).done == 1


@pytest.mark.django_db(transaction=True)
def test_each_batch_is_a_transaction(monkeypatch: pytest.MonkeyPatch):
    for _ in range(4):
        make_old_job()
    seen = []

    def count_redacted() -> None:
        with other_connection() as other, other.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM jobs_job WHERE reference_id = ''")
            seen.append(cursor.fetchone()[0])

    monkeypatch.setattr(prune, "_sleep_between_batches", count_redacted)
    redact_jobs(BEFORE, batch_size=2)

    assert seen == [2, 4]


def test_jobs_to_redact_are_found_by_their_index_however_many_are_redacted():
    rows = {"action": "touch", "created_at": LONG_AGO, "start_at": LONG_AGO, "due_at": LONG_AGO, "worker": "w"}
    ended = {"project": make_project(), "status": "completed", "finished_at": LONG_AGO, **rows}
    Job.objects.bulk_create([Job(reference_id="", **ended) for _ in range(5_000)], batch_size=1_000)
    make_old_job()
    analyze()

    with statements() as sent:
        redact_jobs(BEFORE)

    searches = [sql for sql in sent if "ORDER BY" in sql and "LIMIT" in sql]
    assert "jobs_job_to_redact" in plan_of(searches[0])


@pytest.mark.parametrize("status", FINAL)
def test_a_deleted_job_leaves_no_event(status: Status):
    make_old_job(status)

    pruned = delete_jobs(BEFORE)

    assert (pruned.done, pruned.events, pruned.kept) == (1, 1, 0)
    assert not Job.objects.exists()
    assert not JobEvent.objects.exists()


def test_redacted_jobs_are_deleted_and_younger_ones_are_not():
    project = make_project()
    for _ in range(3):
        make_old_job(project=project)
    redact_jobs(BEFORE)
    make_old_job(project=project)
    young = make_old_job(project=project, finished_at=BEFORE)
    waiting = make_old_job(Status.SCHEDULED, project=project)

    pruned = delete_jobs(BEFORE, batch_size=3)

    assert (pruned.done, pruned.events) == (4, 4)
    assert set(Job.objects.values_list("pk", flat=True)) == {young.pk, waiting.pk}


def test_deleting_skips_old_jobs_that_stay_and_ends_at_younger_ones(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prune, "ROWS_PER_QUERY", 2)
    project = make_project()
    make_due_jobs(5, project=project)
    old = make_old_job(project=project)
    make_due_jobs(6, project=project, created_at=BEFORE)

    with statements() as sent:
        pruned = delete_jobs(BEFORE)

    assert pruned.done == 1
    assert not Job.objects.filter(pk=old.pk).exists()
    assert len([sql for sql in sent if '"created_at"' in sql and "LIMIT 2" in sql]) == 4


def test_a_younger_retry_of_a_deleted_job_stays():
    old = make_old_job(Status.FAILED)
    younger = make_job(status=Status.COMPLETED, retry_of=old, finished_at=BEFORE, project=old.project)

    delete_jobs(BEFORE)

    younger.refresh_from_db()
    assert younger.retry_of_id is None


@pytest.fixture
def protected() -> Iterator[Job]:
    """A job that a row of the host refers to: the ORM refuses to delete it."""
    job = make_old_job()

    def refuse(instance: Job, **_: Any) -> None:
        if instance == job:
            raise ProtectedError("An invoice of the host", {job})

    pre_delete.connect(refuse, sender=Job)
    yield job
    pre_delete.disconnect(refuse, sender=Job)


def test_a_job_that_a_host_protects_is_kept_and_counted_and_the_others_are_deleted(protected: Job):
    make_old_job()
    make_old_job()

    pruned = delete_jobs(BEFORE)

    assert (pruned.done, pruned.events, pruned.kept) == (2, 2, 1)
    assert Job.objects.get() == protected


@pytest.mark.parametrize("prune", [redact_jobs, delete_jobs])
@pytest.mark.parametrize("size", [0, -1, 5_001])
def test_an_invalid_batch_size_is_refused(prune: Any, size: int):
    with pytest.raises(InvalidField, match="batch_size"):
        prune(BEFORE, batch_size=size)


def test_counting_changes_nothing():
    project = make_project()
    jobs = [make_old_job(project=project) for _ in range(3)]
    make_old_job(Status.RUNNING, project=project)

    assert (count_to_redact(BEFORE), count_to_delete(BEFORE)) == (3, 3)
    assert {row_of(job)["reference_id"] for job in jobs} == {PERSONAL}


def test_the_limit_is_the_retention_ago():
    with override_settings(JOBS={"RETENTION_DAYS": 30}):
        before = pruned_before()

    assert isinstance(before, datetime)
    assert abs(timezone.now() - timedelta(days=30) - before) < timedelta(minutes=1)


def test_without_a_retention_nothing_is_pruned():
    with pytest.raises(InvalidField, match="RETENTION_DAYS"):
        pruned_before()
