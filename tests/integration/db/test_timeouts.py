"""Waits for the database end, also on a connection that stays open and never answers."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from django.db import OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import override_settings

from jobs.db import timeouts
from jobs.db.connection import answer_seconds, limited_transaction
from jobs.db.errors import ErrorKind, kind_of
from jobs.db.timeouts import answer_within, is_opening, limited_statements
from tests.support.concurrency import postgresql_only, until
from tests.support.freezing_proxy import FreezingProxy, freezing_proxy
from tests.support.http_server import database_url

pytestmark = [pytest.mark.django_db(transaction=True), postgresql_only]

SOON = 0.3


@pytest.fixture
def proxy() -> Iterator[FreezingProxy]:
    with freezing_proxy(database_url()) as proxy:
        yield proxy


@pytest.fixture
def through(proxy: FreezingProxy) -> Iterator[BaseDatabaseWrapper]:
    """A connection of Django's through the proxy, which is open."""
    own = connection.copy(alias="through")
    own.settings_dict.update(HOST="127.0.0.1", PORT=proxy.port)
    own.ensure_connection()
    yield own
    with suppress(OperationalError):
        own.close()


def ask(own: BaseDatabaseWrapper, sql: str = "SELECT 7") -> int:
    with own.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def test_a_statement_on_a_frozen_connection_ends_as_an_outage_and_the_next_one_connects_anew(
    proxy: FreezingProxy, through: BaseDatabaseWrapper
):
    proxy.freeze(new=False)
    begun = time.monotonic()
    with pytest.raises(OperationalError) as caught, answer_within(SOON, through):
        ask(through)
    took = time.monotonic() - begun
    through.close()

    assert kind_of(caught.value) is ErrorKind.OUTAGE
    assert SOON <= took < SOON + 1
    assert ask(through) == 7


def test_a_connection_that_another_thread_opens_is_known_until_its_limit(
    proxy: FreezingProxy, through: BaseDatabaseWrapper
):
    through.close()
    proxy.mute()
    met: list[Exception] = []

    def connect() -> None:
        try:
            with limited_statements(60, through):
                ask(through)
        except OperationalError as error:
            met.append(error)

    through.inc_thread_sharing()
    thread = threading.Thread(target=connect)
    before = is_opening(through)
    thread.start()
    until(lambda: is_opening(through), what="an attempt to connect")
    thread.join(timeouts.LONGEST_CONNECT_SECONDS)

    assert (before, is_opening(through), len(met)) == (False, False, 1)


@pytest.fixture
def ours(through: BaseDatabaseWrapper) -> Iterator[BaseDatabaseWrapper]:
    """The connection through the proxy, as this thread's own, and a lease of one second."""
    before, through.alias = connections["default"], "default"
    connections["default"] = through
    with override_settings(JOBS={"BEAT_SECONDS": 0.2, "LEASE_SECONDS": 1}):
        yield through
    connections["default"] = before


@pytest.mark.parametrize("error", [None, ZeroDivisionError()], ids=["COMMIT", "ROLLBACK"])
def test_the_end_of_a_transaction_on_a_frozen_connection_ends(
    proxy: FreezingProxy, ours: BaseDatabaseWrapper, error: Exception | None
):
    begun = time.monotonic()
    with pytest.raises(type(error) if error else OperationalError), limited_transaction():
        ask(ours)
        proxy.freeze(new=False)
        if error:
            raise error

    assert time.monotonic() - begun < answer_seconds() + 1
    assert ask(ours) == 7


def test_a_statement_of_a_transaction_on_a_frozen_connection_ends(proxy: FreezingProxy, ours: BaseDatabaseWrapper):
    with pytest.raises(OperationalError) as caught, limited_transaction():
        proxy.freeze(new=False)
        ask(ours)

    assert kind_of(caught.value) is ErrorKind.OUTAGE


def test_a_block_that_computes_when_its_time_is_over_keeps_its_connection(through: BaseDatabaseWrapper):
    with answer_within(0.1, through):
        ask(through)
        time.sleep(0.6)

    assert ask(through) == 7


def test_a_wait_that_begins_after_the_time_is_over_is_ended_too(proxy: FreezingProxy, through: BaseDatabaseWrapper):
    proxy.freeze(new=False)
    with pytest.raises(OperationalError), answer_within(0.05, through):
        time.sleep(0.2)
        ask(through)


def test_connecting_to_a_server_that_accepts_and_says_nothing_ends(proxy: FreezingProxy, through: BaseDatabaseWrapper):
    through.close()
    proxy.mute()
    begun = time.monotonic()
    with pytest.raises(OperationalError) as caught, answer_within(SOON, through):
        ask(through)

    assert kind_of(caught.value) is ErrorKind.OUTAGE
    assert time.monotonic() - begun < timeouts.SHORTEST_CONNECT_SECONDS + 1


def test_each_statement_has_the_time_of_its_own_and_an_inner_block_may_lift_the_limit(
    proxy: FreezingProxy, through: BaseDatabaseWrapper
):
    with limited_statements(SOON, through):
        assert [ask(through, "SELECT 7 FROM pg_sleep(0.2)") for _ in range(3)] == [7, 7, 7]
        with limited_statements(None, through):
            assert ask(through, "SELECT 7 FROM pg_sleep(0.8)") == 7
        proxy.freeze(new=False)
        with pytest.raises(OperationalError):
            ask(through)

    assert through.execute_wrappers == []


def test_a_limit_that_was_left_shuts_nothing_down_and_many_limits_share_one_thread(through: BaseDatabaseWrapper):
    for _ in range(20):
        with answer_within(1, through):
            ask(through)

    assert ask(through, "SELECT 7 FROM pg_sleep(1.3)") == 7
    assert sum(thread.name == "jobs-timeouts" for thread in threading.enumerate()) == 1


def test_a_fork_has_its_own_thread_for_limits(through: BaseDatabaseWrapper):
    with answer_within(60, through):
        ask(through)
    child = os.fork()
    if child == 0:
        timeouts._watch.add(timeouts._Limit(through, 60))
        os._exit(0 if timeouts._watch._thread.is_alive() else 1)  # type: ignore[union-attr]

    _, status = until(lambda: (ended := os.waitpid(child, os.WNOHANG))[0] and ended, what="the child to end")
    assert os.waitstatus_to_exitcode(status) == 0
