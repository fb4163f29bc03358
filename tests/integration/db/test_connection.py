"""The kinds of transactions: their isolation level and limits, alone and within the host's."""

from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from jobs.db.connection import (
    LIMITS_MS,
    PLANNED_ANEW,
    _one_writer,
    chunk_turn,
    limited_transaction,
    outermost_transaction,
    reconnect,
    service_transaction,
    single_statement,
)
from tests.support.concurrency import execute, one_value, postgresql_only, sqlite_only, statements

pytestmark = pytest.mark.django_db(transaction=True)

LEVELS = ["read committed", "repeatable read", "serializable"]
# As psycopg numbers them, which is what Django's OPTIONS take.
NUMBER_OF = {"read committed": 2, "repeatable read": 3, "serializable": 4}


def level() -> str:
    return str(one_value("SHOW transaction_isolation"))


def limit(name: str) -> str:
    return str(one_value(f"SHOW {name}"))


@pytest.fixture(params=["session", "options"])
def host_level(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return a function that makes a level of isolation the host's default, by either way to do so."""
    options = connection.settings_dict["OPTIONS"]
    before = dict(options)

    def choose(name: str) -> None:
        connection.close()
        if request.param == "options":
            options["isolation_level"] = NUMBER_OF[name]
        else:
            with connection.cursor() as cursor:
                cursor.execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {name}")

    yield choose
    connection.close()
    options.clear()
    options.update(before)


@pytest.fixture
def fresh_connection() -> Iterator[None]:
    """Leave no setting of this test to the next one."""
    connection.close()
    yield
    connection.close()


@postgresql_only
@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize(
    "contexts",
    [(outermost_transaction, limited_transaction), (single_statement, outermost_transaction)],
    ids=["transaction", "statement"],
)
def test_the_engine_is_read_committed_whatever_the_host_s_default(host_level: Any, name: str, contexts: Any):
    host_level(name)

    for context in contexts * 2:
        with context():
            assert level() == "read committed"


@postgresql_only
def test_a_server_s_default_counts_though_the_host_s_own_transactions_have_another(host_level: Any):
    host_level("read committed")
    execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE")

    for _ in range(2):
        with single_statement():
            assert level() == "read committed"


@postgresql_only
@pytest.mark.parametrize("name", LEVELS)
def test_a_service_is_read_committed_unless_it_stands_in_the_host_s_transaction(host_level: Any, name: str):
    host_level(name)

    with service_transaction():
        assert level() == "read committed"
    with transaction.atomic():
        assert level() == name
        with service_transaction(wait_seconds=1):
            assert level() == name


@postgresql_only
def test_limits_are_set_for_the_transaction_alone(fresh_connection: None):
    with limited_transaction():
        assert {name: limit(name) for name in LIMITS_MS} == {
            "idle_in_transaction_session_timeout": "10s",
            "statement_timeout": "30s",
            "lock_timeout": "2s",
        }
    with service_transaction(wait_seconds=0.25):
        assert limit("lock_timeout") == "250ms"

    assert {name: limit(name) for name in LIMITS_MS} == dict.fromkeys(LIMITS_MS, "0")
    with outermost_transaction():
        assert {name: limit(name) for name in LIMITS_MS} == dict.fromkeys(LIMITS_MS, "0")


@postgresql_only
@pytest.mark.parametrize("within", [nullcontext, transaction.atomic], ids=["alone", "in the host's transaction"])
def test_a_search_is_planned_for_its_values_and_not_compiled(fresh_connection: None, within: Any):
    plain = {name: limit(name) for name in PLANNED_ANEW}
    with within():
        with service_transaction(wait_seconds=1):
            assert {name: limit(name) for name in PLANNED_ANEW} == plain
        with service_transaction(statement_seconds=1):
            assert {name: limit(name) for name in PLANNED_ANEW} == PLANNED_ANEW != plain
        assert {name: limit(name) for name in PLANNED_ANEW} == plain


@postgresql_only
@pytest.mark.parametrize(
    ("host_s", "within"),
    [("250ms", "250ms"), ("1500ms", "1500ms"), ("1s", "1s"), ("2min", "2s"), ("1h", "2s"), ("1d", "2s")],
)
def test_a_limit_is_never_above_the_host_s_own(fresh_connection: None, host_s: str, within: str):
    execute(f"SET lock_timeout = '{host_s}'")

    with limited_transaction():
        assert limit("lock_timeout") == within
        assert limit("statement_timeout") == "30s"
    assert limit("lock_timeout") == host_s


@pytest.mark.parametrize("context", [outermost_transaction, single_statement])
def test_the_engine_refuses_a_transaction_within_the_host_s(context: Any):
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"), context():
        pass


def test_an_error_rolls_an_outermost_transaction_back():
    with pytest.raises(ZeroDivisionError), outermost_transaction() as home, home.cursor() as cursor:
        cursor.execute("INSERT INTO jobs_organization (name, created_at) VALUES ('Gone', '2026-01-01')")
        raise ZeroDivisionError

    assert one_value("SELECT count(*) FROM jobs_organization") == 0


@postgresql_only
def test_a_single_statement_costs_one_round_trip(fresh_connection: None):
    with outermost_transaction():
        pass

    with statements() as alone, single_statement():
        one_value("SELECT 1")
    with statements() as in_transaction, outermost_transaction():
        one_value("SELECT 1")

    assert alone == ["SELECT 1"]
    assert in_transaction == ["BEGIN", "SELECT 1", "COMMIT"]


@postgresql_only
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(("host_s", "within"), [("0", "1s"), ("7s", "1s"), ("50ms", "50ms")])
def test_a_service_in_the_host_s_transaction_gives_the_host_s_lock_timeout_back(
    fresh_connection: None, host_s: str, within: str, fails: bool
):
    with transaction.atomic():
        execute(f"SET LOCAL lock_timeout = '{host_s}'")

        with pytest.raises(DatabaseError) if fails else nullcontext(), service_transaction(wait_seconds=1):
            assert limit("lock_timeout") == within
            if fails:
                one_value("SELECT 1 / 0")

        assert limit("lock_timeout") == host_s


@sqlite_only
@pytest.mark.parametrize("fails", [False, True])
def test_a_service_shortens_sqlite_s_wait_and_gives_the_host_s_back(fails: bool):
    before = one_value("PRAGMA busy_timeout")

    with suppress(ZeroDivisionError), service_transaction(wait_seconds=0.25):
        assert one_value("PRAGMA busy_timeout") == 250
        if fails:
            raise ZeroDivisionError

    assert one_value("PRAGMA busy_timeout") == before == 20_000


def test_chunks_of_one_process_take_turns_where_there_is_one_writer():
    with chunk_turn():
        assert _one_writer.locked() == (connection.vendor == "sqlite")

    assert not _one_writer.locked()


@sqlite_only
@pytest.mark.parametrize(("took", "pause"), [(0.05, 0.03), (0.2, 0.11)], ids=["short chunk", "long chunk"])
def test_after_a_chunk_the_turn_is_kept_for_a_pause_outside_the_transaction(
    took: float, pause: float, monkeypatch: pytest.MonkeyPatch
):
    clock, pauses = [0.0], []
    monkeypatch.setattr("jobs.db.connection.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(
        "jobs.db.connection.time.sleep", lambda seconds: pauses.append((seconds, connection.in_atomic_block))
    )

    with chunk_turn(), limited_transaction():
        clock[0] += took

    assert pauses == [(pause, False)]


def test_after_a_reconnect_the_next_statement_opens_a_connection():
    one_value("SELECT 1")

    reconnect()

    assert connection.connection is None
    assert one_value("SELECT 1") == 1
