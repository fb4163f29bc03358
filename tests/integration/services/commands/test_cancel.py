"""``cancel_job``: what it changes, what it refuses, and how it waits for locks."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from jobs import cancel_job
from jobs.actors import Actor
from jobs.db import clock
from jobs.exceptions import Busy, ConcurrentChange, InvalidField, JobNotFound, TransitionRefused
from jobs.models import Job, JobEvent
from jobs.status import ACTIVE, Status
from tests.support.concurrency import (
    blocked,
    one_value,
    other_connection,
    postgresql_only,
    somebody_holds,
    statements,
    transaction_of,
)
from tests.support.factories import make_job, make_project, make_running_job
from tests.support.transitions import changes_of, events_of, row_of, unchanged

pytestmark = pytest.mark.django_db


FINAL = [status for status in Status if status.is_final]
IMPOSSIBLE = [0, -1, 2**63, 10**30, -(10**30)]
STRICTER = ["REPEATABLE READ", "SERIALIZABLE"] if connection.vendor == "postgresql" else ["DEFERRED"]


@pytest.fixture
def short_wait(settings: Any) -> None:
    settings.JOBS = {"CANCEL_WAIT_SECONDS": 0.15}


@pytest.fixture(params=STRICTER)
def stricter_host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host whose own transactions see the rows as they were when it first read."""
    connection.close()
    connection.ensure_connection()
    if connection.vendor == "postgresql":
        set_level(request.param)
    else:
        monkeypatch.setattr(connection, "transaction_mode", request.param)
    yield
    connection.close()


def set_level(level: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {level}")


@pytest.mark.parametrize("status", ACTIVE)
def test_an_active_job_is_cancelled_and_returned(status: Status):
    job = make_job(status=status)
    before, started = row_of(job), clock.read(connection)
    actor = Actor(kind="key", name="jsk_3fG7a2Qx", request_id="request-7")

    cancelled = cancel_job(job.pk, project=job.project, actor=actor, reason="Asked for.")

    changes = changes_of(job, before)
    assert row_of(job) == {column: getattr(cancelled, column) for column in before}
    assert changes["status"] == "cancelled"
    assert started <= changes["finished_at"] <= clock.read(connection)
    assert set(changes) <= {"status", "finished_at", "updated_at", "lease_token", "lease_expires_at"}
    (event,) = events_of(job)
    assert (event["what"], event["from_status"], event["to_status"]) == ("cancelled", status, "cancelled")
    assert (event["actor"], event["request_id"], event["note"]) == ("key:jsk_3fG7a2Qx", "request-7", "Asked for.")


@pytest.mark.parametrize("reason", [" ", "a\0b", "a\nb", "\ud800", "x" * 501])
def test_an_invalid_reason_cancels_nothing(reason: str):
    job = make_job()

    with unchanged(job), pytest.raises(InvalidField) as refused:
        cancel_job(job.pk, project=job.project, reason=reason)

    assert refused.value.field == "reason"


@pytest.mark.parametrize("status", FINAL)
def test_a_job_that_has_ended_is_refused_and_stays_as_it_is(status: Status):
    job = make_job(status=status)
    message = f"^the requested job has already been {status}$"

    with unchanged(job), pytest.raises(TransitionRefused, match=message) as refused:
        cancel_job(job.pk, project=job.project)

    assert (refused.value.job_id, refused.value.status, refused.value.wanted) == (job.pk, status, Status.CANCELLED)


@pytest.mark.parametrize("status", Status)
def test_another_project_s_job_and_an_id_that_no_job_has_are_not_found(status: Status):
    job = make_job(status=status)

    for job_id in (job.pk, 2**63 - 1):
        with unchanged(job), pytest.raises(JobNotFound, match="^job not found$") as unknown:
            cancel_job(job_id, project=make_project(organization=job.project.organization))
        assert unknown.value.job_id == job_id


@pytest.mark.parametrize("job_id", IMPOSSIBLE)
def test_an_impossible_id_sends_no_statement(job_id: int):
    project = make_project()

    with statements() as sent, pytest.raises(JobNotFound):
        cancel_job(job_id, project=project)

    assert sent == []


@pytest.mark.django_db(transaction=True)
def test_a_cancel_takes_few_statements():
    job = make_running_job()
    cancel_job(make_job(project=job.project).pk, project=job.project)

    with statements(without=("BEGIN", "COMMIT")) as sent:
        cancel_job(job.pk, project=job.project)

    # PostgreSQL: its limit; the transition with its event, which returns the row. SQLite: the transition, its event.
    assert len(sent) == 2


@pytest.mark.django_db(transaction=True)
def test_a_job_that_stays_locked_is_busy_and_unchanged(short_wait: None):
    job = make_running_job()

    with (
        unchanged(job),
        somebody_holds(job),
        pytest.raises(Busy, match="nothing was changed; try again in 1 s") as busy,
    ):
        cancel_job(job.pk, project=job.project)

    assert busy.value.retry_after == 1
    assert cancel_job(job.pk, project=job.project).status == "cancelled"


@postgresql_only
@pytest.mark.django_db(transaction=True)
def test_in_a_host_s_transaction_a_locked_job_is_busy_and_the_transaction_stays_usable(short_wait: None):
    job = make_running_job()

    with somebody_holds(job), transaction.atomic():
        with pytest.raises(Busy):
            cancel_job(job.pk, project=job.project)
        kept = make_job(project=job.project)

    assert Job.objects.filter(pk=kept.pk).exists()
    assert row_of(job)["status"] == "running"


@pytest.mark.django_db(transaction=True)
def test_in_a_host_s_transaction_that_read_before_others_wrote_the_host_is_told_to_repeat_it(stricter_host: None):
    job = make_running_job()

    with (
        pytest.raises(ConcurrentChange, match="roll back and repeat"),
        transaction.atomic(),
        other_connection() as other,
    ):
        one_value("SELECT count(*) FROM jobs_job")
        with transaction_of(other, f"UPDATE jobs_job SET progress_done = 7 WHERE id = {job.pk}"):
            pass
        cancel_job(job.pk, project=job.project)

    assert (row_of(job)["status"], row_of(job)["progress_done"]) == ("running", 7)
    assert events_of(job) == []


@postgresql_only
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_a_cancel_outside_transactions_waits_for_the_lock_of_the_job_whatever_the_host_s_level(level: str):
    job = make_running_job()

    def cancel() -> Job:
        set_level(level)
        return cancel_job(job.pk, project=job.project)

    with other_connection() as other:
        with transaction_of(other, f"UPDATE jobs_job SET progress_done = 7 WHERE id = {job.pk}"):
            waiting = blocked(cancel)
        cancelled = waiting.result()

    assert (cancelled.status, cancelled.progress_done) == ("cancelled", 7)
    (event,) = events_of(job)
    assert event["at"] >= cancelled.finished_at


@pytest.mark.parametrize("status", ACTIVE)
def test_a_host_s_transaction_that_rolls_back_leaves_the_job_as_it_was(status: Status):
    job = make_job(status=status)

    with unchanged(job), pytest.raises(ZeroDivisionError), transaction.atomic():
        assert cancel_job(job.pk, project=job.project).status == "cancelled"
        raise ZeroDivisionError

    assert not JobEvent.objects.exists()


def test_a_cancel_names_its_columns_as_a_prepared_star_fails_once_a_migration_adds_one():
    job = make_job()

    with statements() as sent:
        cancel_job(job.pk, project=job.project)

    assert [sql for sql in sent if "RETURNING" in sql]
    assert not [sql for sql in sent if "*" in sql]
