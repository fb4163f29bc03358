"""``schedule_job`` beside the host's transactions, concurrent inserts and idle workers."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from jobs import schedule_job
from jobs.exceptions import ActiveJobExists, Busy, ConcurrentChange
from jobs.models import Job, JobEvent
from tests.support.concurrency import (
    InThread,
    blocked,
    one_value,
    other_connection,
    postgresql_only,
    sqlite_only,
    statements,
    transaction_of,
)
from tests.support.factories import make_project

pytestmark = pytest.mark.django_db


def schedule(action: str = "touch", *, project: Any = None, **what_matters: Any) -> Job:
    return schedule_job(action, **{"project": project or make_project(), "reference_id": "a", **what_matters})


@pytest.fixture
def fresh_connection() -> Iterator[None]:
    connection.close()
    yield
    connection.close()


def run(*sql: str) -> None:
    with connection.cursor() as cursor:
        for statement in sql:
            cursor.execute(statement)


@postgresql_only
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("commits", [True, False])
def test_a_creator_waits_for_an_uncommitted_insert_and_is_refused_only_if_it_commits(commits: bool):
    project = make_project()

    with transaction.atomic():
        first = schedule("touch_once", project=project)
        rival = blocked(lambda: schedule("touch_once", project=project))
        transaction.set_rollback(not commits)

    if commits:
        with pytest.raises(ActiveJobExists) as refused:
            rival.result()
        assert refused.value.job == first
    else:
        won = rival.result()
        assert list(Job.objects.all()) == [won]


@postgresql_only
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_in_a_host_s_stricter_transaction_a_concurrent_insert_is_a_typed_error(fresh_connection: None, level: str):
    project = make_project()
    run(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {level}")

    with pytest.raises(ConcurrentChange), transaction.atomic():
        one_value("SELECT count(*) FROM jobs_job")
        InThread(lambda: schedule("touch_once", project=project)).result()
        schedule("touch_once", project=project)

    assert Job.objects.count() == 1


@postgresql_only
@pytest.mark.django_db(transaction=True)
def test_a_host_s_lock_timeout_is_a_typed_error(fresh_connection: None):
    project = make_project()
    rival = schedule("touch_once", project=project, reference_id="b")
    run("SET lock_timeout = '50ms'")

    # Seen by the constraint alone, until it is committed.
    become_the_same = f"UPDATE jobs_job SET unique_key = 'a' WHERE id = {rival.pk}"
    with other_connection() as other, transaction_of(other, become_the_same), pytest.raises(Busy):
        schedule("touch_once", project=project)


@sqlite_only
@pytest.mark.django_db(transaction=True)
def test_a_database_locked_for_too_long_is_a_typed_error(fresh_connection: None):
    project = make_project()
    run("PRAGMA busy_timeout = 20")

    with other_connection() as other, transaction_of(other), pytest.raises(Busy):
        schedule(project=project)


def test_a_rollback_of_the_host_removes_the_job():
    project = make_project()

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        schedule(project=project)
        raise ZeroDivisionError

    assert not Job.objects.exists()
    assert not JobEvent.objects.exists()


def test_an_error_leaves_the_host_s_transaction_usable():
    with transaction.atomic():
        first = schedule("touch_once")
        with pytest.raises(ActiveJobExists):
            schedule("touch_once", project=first.project)
        second = schedule("touch", project=first.project)

    assert set(Job.objects.all()) == {first, second}


@pytest.mark.parametrize(("action", "notifications"), [("touch", 1), ("touch_in_an_hour", 0), ("touch_at_midnight", 0)])
def test_idle_workers_are_notified_only_of_due_jobs(action: str, notifications: int):
    project = make_project()

    with statements() as sent:
        schedule(action, project=project)

    notified = [sql for sql in sent if sql.startswith("NOTIFY")]
    assert len(notified) == (notifications if connection.vendor == "postgresql" else 0)


def test_scheduling_costs_the_clock_and_two_inserts():
    project = make_project()

    with statements(without=("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "NOTIFY")) as sent:
        schedule(project=project)

    assert [sql.split()[0] for sql in sent] == ["SELECT", "INSERT", "INSERT"]
