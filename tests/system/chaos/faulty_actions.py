"""Actions with a fault of their own: they hold the GIL, lose their connection, leave things on a session, or fork."""

import ctypes
import multiprocessing
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import wraps
from typing import Any, Final

from django.db import connection

from jobs import JobContext, action
from jobs.db import failpoints
from jobs.db.clock import NOW
from tests.system.chaos.attempt_log import note_attempt, note_child, note_residue
from tests.system.chaos.models import Effect

FOREVER_SECONDS: Final = 600
CHILD_SECONDS: Final = 120
IDLE_SECONDS: Final = 2.5  # longer than two thirds of the lease of a run
SHORT: Final = {"backoff": timedelta(milliseconds=20)}
HANGS: Final = ("hang_in_c", "hang_in_chunk", "hang_in_regex")
LOOPS: Final = (
    *("loop_close", "loop_close_raw", "loop_idle", "loop_kill", "loop_kill_after_chunk"),
    *("loop_role", "loop_search_path", "loop_timeout", "loop_read_only"),
)
LOOPS_ON_SQLITE: Final = ("loop_close", "loop_close_raw")
FORKS: Final = ("fork_terminate", "fork_raw", "fork_child", "fork_thread", "fork_pool")
RESIDUES: Final = (
    *("leave_search_path", "leave_timeout", "leave_name", "leave_time_zone", "leave_set_config", "leave_table"),
    *("leave_lock", "leave_listen", "leave_cursor", "leave_prepared", "leave_isolation"),
)

Handler = Callable[[JobContext], None]


def faulty(name: str, **options: Any) -> Callable[[Handler], Handler]:
    """Register an action that records each of its attempts."""

    def register(handler: Handler) -> Handler:
        @wraps(handler)
        def noted(job: JobContext) -> None:
            note_attempt(job)
            handler(job)

        return action(name, description="{reference_id}", **SHORT, **options)(noted)

    return register


# ---------------------------------------------------------------- the GIL is held


@faulty("hang_in_c")
def hang_in_c(job: JobContext) -> None:
    ctypes.PyDLL(None).sleep(FOREVER_SECONDS)


@faulty("hang_in_chunk")
def hang_in_chunk(job: JobContext) -> None:
    with job.chunk():
        ctypes.PyDLL(None).sleep(FOREVER_SECONDS)


@faulty("hang_in_regex")
def hang_in_regex(job: JobContext) -> None:
    """Match a pattern that takes time exponential in the length of the text."""
    re.match(r"(a+)+$", "a" * 60 + "b")


# ---------------------------------------------------------------- the database seems away


def execute(sql: str, *params: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone() if cursor.description else None


def leaving(sql: str) -> Handler:
    """Return a handler that leaves something on its session."""
    return lambda job: execute(sql)


@faulty("loop_idle", max_attempts=2)
def loop_idle(job: JobContext) -> None:
    with job.chunk():
        time.sleep(IDLE_SECONDS)


@faulty("loop_close", max_attempts=2)
def loop_close(job: JobContext) -> None:
    with job.chunk():
        connection.close()


@faulty("loop_close_raw", max_attempts=2)
def loop_close_raw(job: JobContext) -> None:
    with job.chunk():
        connection.connection.close()
        execute("SELECT 1")


@faulty("loop_kill", max_attempts=2)
def loop_kill(job: JobContext) -> None:
    with job.chunk():
        execute("SELECT pg_terminate_backend(pg_backend_pid())")


@faulty("loop_kill_after_chunk", max_attempts=2)
def loop_kill_after_chunk(job: JobContext) -> None:
    """Commit a chunk before each loss, so that each attempt seems to have got somewhere."""
    with job.chunk() as chunk:
        Effect.objects.create(job_id=job.id, item=-(job.id * 10_000 + job.attempt), attempt=job.attempt, at=NOW)
        chunk.add("turns", 1)
    with job.chunk():
        execute("SELECT pg_terminate_backend(pg_backend_pid())")


faulty("loop_role", max_attempts=2)(leaving("SET ROLE pg_monitor"))
faulty("loop_search_path", max_attempts=2)(leaving("SET search_path TO nowhere"))
faulty("loop_timeout", max_attempts=2)(leaving("SET statement_timeout TO '1ms'"))
faulty("loop_read_only", max_attempts=2)(leaving("SET default_transaction_read_only TO on"))

# ---------------------------------------------------------------- something stays on the session

faulty("leave_search_path")(leaving("SET search_path TO public, pg_temp"))
faulty("leave_timeout")(leaving("SET statement_timeout TO '29s'"))
faulty("leave_name")(leaving("SET application_name TO 'left'"))
faulty("leave_time_zone")(leaving("SET TIME ZONE 'Asia/Kathmandu'"))
faulty("leave_set_config")(leaving("SELECT set_config('work_mem', '1234kB', false)"))
faulty("leave_lock")(lambda job: execute("SELECT pg_advisory_lock(%s)", job.id))
faulty("leave_listen")(leaving("LISTEN left_behind"))
faulty("leave_prepared")(leaving("PREPARE left_behind AS SELECT 1"))
faulty("leave_isolation")(leaving("SET default_transaction_isolation TO 'serializable'"))


@faulty("leave_table")
def leave_table(job: JobContext) -> None:
    """Hide the table of items behind an empty one."""
    with job.chunk():
        execute("CREATE TEMPORARY TABLE chaos_item (id bigint, owner text)")


@faulty("leave_cursor")
def leave_cursor(job: JobContext) -> None:
    with job.chunk():
        execute("DECLARE left_behind CURSOR WITH HOLD FOR SELECT 1")


SESSION: Final = """
SELECT (SELECT string_agg(name, ',') FROM pg_settings WHERE source = 'session' AND name <> ALL (%s)),
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
       (SELECT count(*) FROM pg_listening_channels()),
       (SELECT count(*) FROM pg_cursors WHERE name = 'left_behind'),
       (SELECT count(*) FROM pg_prepared_statements WHERE name = 'left_behind'),
       (SELECT count(*) FROM pg_class WHERE relname = 'chaos_item' AND relpersistence = 't'
        AND pg_table_is_visible(oid))
"""
# What Django itself sets on each new connection.
OF_DJANGO: Final = ["client_encoding", "TimeZone", "DateStyle", "extra_float_digits", "transaction_isolation"]


@faulty("observe_session")
def observe_session(job: JobContext) -> None:
    """Search the session for what another action has left on it."""
    names, *counts = execute(SESSION, OF_DJANGO)
    zone = execute("SHOW TIME ZONE")[0]
    if names or any(counts) or zone != "UTC":
        note_residue(job, [names, *counts, zone])


# ---------------------------------------------------------------- the chunk's transaction is ended


@faulty("commit_in_chunk")
def commit_in_chunk(job: JobContext) -> None:
    """Commit by the driver, which no guard of statements sees, and go on in the transaction that follows."""
    with job.chunk() as chunk:
        connection.connection.commit()
        failpoints.reach("action.committed")
        Effect.objects.create(job_id=job.id, item=-job.id, attempt=job.attempt, at=NOW)
        chunk.add("turns", 1)


# ---------------------------------------------------------------- children and threads


def sleep_long() -> None:
    time.sleep(CHILD_SECONDS)


@faulty("fork_terminate")
def fork_terminate(job: JobContext) -> None:
    """End a child by SIGTERM, as hosts do with a program that takes too long."""
    child = multiprocessing.get_context("fork").Process(target=sleep_long)
    child.start()
    time.sleep(0.05)
    child.terminate()
    child.join(timeout=5)
    if child.exitcode != -signal.SIGTERM:
        note_residue(job, f"a child that SIGTERM does not end: {child.exitcode}")
        note_child(job, child.pid or 0)


@faulty("fork_raw")
def fork_raw(job: JobContext) -> None:
    """Leave a bare fork running, without waiting for it."""
    pid = os.fork()
    if pid == 0:
        time.sleep(CHILD_SECONDS)
        os._exit(0)
    note_child(job, pid)


@faulty("fork_child")
def fork_child(job: JobContext) -> None:
    """Leave a child running that the interpreter waits for at its end."""
    child = multiprocessing.get_context("fork").Process(target=sleep_long)
    child.start()
    note_child(job, child.pid or 0)


@faulty("fork_thread")
def fork_thread(job: JobContext) -> None:
    """Leave a thread running that the interpreter waits for at its end."""
    threading.Thread(target=sleep_long, daemon=False).start()


@faulty("fork_pool")
def fork_pool(job: JobContext) -> None:
    """Leave a pool busy, whose threads the interpreter joins at its end."""
    ThreadPoolExecutor(1).submit(sleep_long)
