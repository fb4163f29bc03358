"""What an action sets on its session ends with its attempt; the outcome and the next job have a clean one."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from psycopg.sql import SQL, Identifier

from jobs import JobContext
from jobs.execution import runner
from jobs.execution.outcomes import Outcome
from jobs.lifecycle.isolation import changes_session
from jobs.status import Status
from tests.support.concurrency import postgresql_only, sqlite_only
from tests.support.execution import lease_of, registered_action, run_attempt, write_in_chunk
from tests.support.factories import WORKER, make_running_job

pytestmark = pytest.mark.django_db(transaction=True)


def executing(*statements: str) -> Callable[[JobContext], None]:
    def act(job: JobContext) -> None:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    return act


def in_a_chunk(*statements: str) -> Callable[[JobContext], None]:
    def act(job: JobContext) -> None:
        with job.chunk():
            executing(*statements)(job)

    return act


def unseen(statement: str) -> Callable[[JobContext], None]:
    """Set it with the driver itself, so that no wrapper of Django sees it."""

    def act(job: JobContext) -> None:
        connection.ensure_connection()
        connection.connection.execute(statement)

    return act


def shown(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return str(cursor.fetchone()[0])


LEFT_BEHIND = {
    "role": executing("SET ROLE pg_read_all_stats"),
    "session": executing("SET SESSION search_path TO pg_catalog"),
    "search path": executing("SET search_path TO pg_catalog"),
    "timeout": executing("SET statement_timeout = 1"),
    "read only": executing("SET default_transaction_read_only = on"),
    "set_config": executing("SELECT set_config('search_path', 'pg_catalog', false)"),
    "in a chunk": in_a_chunk("/* mine */ SET lock_timeout = 1", "SELECT 1"),
    "composed": lambda job: connection.cursor().execute(SQL("SET search_path TO {}").format(Identifier("pg_catalog"))),
    "bytes": lambda job: connection.cursor().execute(b"SET search_path TO pg_catalog"),
    "after another": executing("SELECT 1; SET search_path TO pg_catalog"),
    "after a comment": executing("SELECT ';--' /* ; */ ; /* ; */ -- ;\n SET search_path TO pg_catalog"),
    "a block": in_a_chunk("DO $$ BEGIN SET statement_timeout = 20000; END $$"),
    "by the driver: role": unseen("SET ROLE pg_read_all_stats"),
    "by the driver: search path": unseen("SET search_path TO pg_catalog"),
    "by the driver: read only": unseen("SET default_transaction_read_only = on"),
}


@postgresql_only
@pytest.mark.parametrize("handler", LEFT_BEHIND.values(), ids=LEFT_BEHIND.keys())
def test_a_job_whose_action_leaves_a_session_behind_completes_and_the_next_one_runs(
    handler: Callable[[JobContext], None],
):
    ran, job = run_attempt(handler)
    following, other = run_attempt(write_in_chunk)

    assert (ran.outcome, following.outcome) == (Outcome.COMPLETED, Outcome.COMPLETED)
    assert (job.status, other.status) == (Status.COMPLETED, Status.COMPLETED)
    assert shown("search_path") == '"$user", public'
    assert shown("statement_timeout") == "0"


@sqlite_only
def test_a_pragma_of_an_action_ends_with_its_attempt():
    ran, job = run_attempt(executing("PRAGMA query_only = 1"))

    assert (ran.outcome, job.status) == (Outcome.COMPLETED, Status.COMPLETED)


@postgresql_only
@pytest.mark.parametrize("does_raise", [False, True])
def test_the_locks_and_temporary_tables_of_a_session_end_with_its_attempt(does_raise: bool):
    def take(job: JobContext) -> None:
        in_a_chunk("CREATE TEMP TABLE work (id int)")(job)
        executing("SELECT pg_advisory_lock(7)", "LISTEN news")(job)
        if does_raise:
            raise ValueError

    run_attempt(take)

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT to_regclass('pg_temp.work'), (SELECT count(*) FROM pg_listening_channels())")
        assert cursor.fetchone() == (None, 0)


@pytest.mark.parametrize("handler", [write_in_chunk, lambda job: None], ids=["a chunk", "nothing"])
def test_a_connection_on_which_nothing_was_set_is_kept(handler: Callable[[JobContext], None]):
    connection.ensure_connection()
    before = connection.connection

    run_attempt(handler)

    assert connection.connection is before


@postgresql_only
def test_settings_of_one_transaction_keep_the_connection():
    connection.ensure_connection()
    before = connection.connection

    run_attempt(in_a_chunk("SET LOCAL work_mem = '8MB'", "SET CONSTRAINTS ALL IMMEDIATE", "SELECT 1"))

    assert connection.connection is before


@pytest.mark.parametrize(
    ("sql", "is_seen"),
    [
        ("UPDATE t SET role = 1", False),
        ("INSERT INTO t (a) VALUES ('SET ROLE x')", False),
        ("SELECT set_config(%s, %s, true), set_config(%s, %s, true)", False),
        ("set  role x", True),
        ("-- why\nRESET ALL", True),
        ("SELECT 1;\n  SET TIME ZONE 'UTC'", True),
        ("SET\nSESSION CHARACTERISTICS AS TRANSACTION READ ONLY", True),
        ("SET TRANSACTION READ ONLY", False),
        ("SELECT pg_try_advisory_lock(1)", True),
        ("SELECT pg_advisory_xact_lock(1)", False),
        ("CREATE TEMPORARY TABLE t (a int)", True),
        ("CREATE TABLE t (a int)", False),
        ("SELECT * INTO TEMP t FROM x", True),
        ("/* a */ " * 10_000 + "SELECT 1", False),
    ],
)
def test_statements_that_change_a_session_are_told_from_others(sql: str, is_seen: bool):
    assert changes_session(sql) == is_seen


def test_a_session_that_breaks_the_recording_is_replaced_once_and_not_for_ever(monkeypatch: pytest.MonkeyPatch):
    def complete(*_: Any, **__: Any) -> None:
        calls.append(1)
        executing("SELECT nonsense FROM nowhere")(None)  # type: ignore[arg-type]

    calls: list[int] = []
    monkeypatch.setattr(runner.transitions, "complete", complete)
    job = make_running_job(action="trial")
    with registered_action(lambda context: None):
        ran = runner.run(job, lease=lease_of(job), worker=WORKER)

    assert ran.outcome is Outcome.RETRYING
    assert len(calls) == 2
