"""An open connection is proved before it is used for work: servers end idle sessions, files are moved."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test import Client

from jobs import JobContext
from jobs.db import proof
from jobs.db.errors import ErrorKind, kind_of
from jobs.execution.runner import Outcome
from jobs.processes.rescuer import Rescuer
from jobs.services.tenants.api_keys import ACCESS
from tests.support.api_client import Api
from tests.support.concurrency import one_value, other_connection, postgresql_only, sqlite_only
from tests.support.execution import ago, make_context, run_attempt, write_in_chunk
from tests.support.factories import make_job, make_running_job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def always_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every connection for one that has idled."""
    monkeypatch.setattr(proof, "IDLE_SECONDS", -1)


def end_session() -> None:
    """End this thread's session, as a server does with one that idles."""
    pid = one_value("SELECT pg_backend_pid()")
    with other_connection() as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


@postgresql_only
class TestARequest:
    def test_is_served_over_a_new_connection_without_a_statement_to_prove_the_old_one(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ):
        job = make_job(project=api.project)
        proved: list[int] = []
        own = connections[connection.alias]
        is_usable = own.is_usable
        monkeypatch.setattr(own, "is_usable", lambda: proved.append(1) or is_usable())
        monkeypatch.setattr(own, "health_check_enabled", True)

        answers = []
        for call in (api.get, api.delete, api.get):
            end_session()
            own.health_check_done = False  # as when a request begins
            answers.append(call(f"/jobs/{job.pk}").status_code)

        assert answers == [200, 200, 200]
        assert proved == []

    def test_tries_again_once_and_not_within_a_transaction(self):
        asked = []

        def lost(*_: Any) -> Any:
            asked.append(connection.connection is not None)
            connection.ensure_connection()
            raise OperationalError from psycopg.OperationalError("the connection is lost")

        connection.ensure_connection()
        with connection.execute_wrapper(lost), pytest.raises(OperationalError):
            ACCESS.first_of_request(digest="x", key="x")
        with transaction.atomic(), connection.execute_wrapper(lost), pytest.raises(OperationalError):
            ACCESS.first_of_request(digest="x", key="x")

        assert len(asked) == 3


@postgresql_only
@pytest.mark.usefixtures("always_idle")
class TestASessionThatTheServerHasEnded:
    def test_costs_no_attempt_if_it_ended_before_the_action_starts(self):
        job = make_running_job(action="trial")
        end_session()

        ran, job = run_attempt(lambda context: one_value("SELECT 1"), job)

        assert ran.outcome is Outcome.COMPLETED
        assert (job.attempt, job.failures) == (1, 0)

    def test_costs_no_attempt_if_it_ended_while_the_action_was_busy_elsewhere(self):
        def call_a_service(context: JobContext) -> None:
            write_in_chunk(context)
            end_session()
            write_in_chunk(context)

        ran, _job = run_attempt(call_a_service)

        assert ran.outcome is Outcome.COMPLETED
        assert one_value("SELECT count(*) FROM hostapp_ledger") == 2

    def test_does_not_make_a_rescuer_start_afresh(self):
        job = make_running_job(lease_expires_at=ago(5))
        rescuer = Rescuer()
        rescuer.rescue(monotonic=0.0)
        end_session()

        assert rescuer.rescue(monotonic=100.0) == [job.pk]


@postgresql_only
def test_a_connection_that_was_used_a_moment_ago_is_not_proved(monkeypatch: pytest.MonkeyPatch):
    context = make_context()
    write_in_chunk(context)
    asked: list[Any] = []
    monkeypatch.setattr(connection, "is_usable", lambda: asked.append(1) or True)

    write_in_chunk(context)

    assert asked == []


@pytest.fixture
def file_away() -> Any:
    """A function that moves the database's file away; it is back after the test."""
    path = Path(connection.settings_dict["NAME"])
    away = path.with_suffix(".away")
    connection.close()
    connection.ensure_connection()

    def move(replacement: bytes | None = None) -> None:
        path.rename(away)
        if replacement is not None:
            path.write_bytes(replacement)

    yield move
    connection.close()
    away.replace(path)
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


@sqlite_only
@pytest.mark.parametrize("replacement", [None, b""], ids=["moved", "replaced"])
def test_a_process_whose_file_was_moved_away_is_not_ready_and_says_so(
    client: Client, file_away: Any, replacement: bytes | None, caplog: pytest.LogCaptureFixture
):
    before = client.get("/readyz").status_code
    file_away(replacement)

    after = client.get("/readyz").status_code

    assert (before, after) == (200, 503)
    assert "the open file of the database 'default' is not the one at its path any more" in caplog.text


@sqlite_only
@pytest.mark.parametrize("atomic", [True, False])
def test_a_request_whose_file_was_moved_away_is_answered_503_and_writes_nothing(
    api: Api, file_away: Any, atomic: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    file_away()

    answer = api.post("/jobs", {"action": "delete_user_data", "referenceId": "ana@example.com"})

    assert answer.status_code == 503
    with closing(sqlite3.connect(Path(connection.settings_dict["NAME"]).with_suffix(".away"))) as moved:
        assert moved.execute("SELECT count(*) FROM jobs_job").fetchone() == (0,)


@sqlite_only
def test_a_chunk_whose_file_was_moved_away_ends_as_in_an_outage(file_away: Any):
    context = make_context()
    write_in_chunk(context)
    file_away()

    with pytest.raises(OperationalError) as raised:
        write_in_chunk(context)

    assert kind_of(raised.value) is ErrorKind.OUTAGE


@sqlite_only
def test_a_replaced_file_of_another_database_is_opened_anew_and_stops_nothing(monkeypatch: pytest.MonkeyPatch):
    connection.ensure_connection()
    before = connection.connection
    monkeypatch.setattr(proof, "jobs_alias", lambda: "jobs")
    proof._files[connections["default"]] = (0, 0)  # of a file that is no longer at the path

    proof.prove_connections()
    connection.ensure_connection()

    assert connection.connection is not before
    assert not proof.is_file_replaced(connections["default"])
